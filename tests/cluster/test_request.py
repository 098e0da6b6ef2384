"""Requests mean what sbatch is told, and are those that Snakemake's plugin and dask-jobqueue make."""

import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dask_jobqueue.slurm import SLURMJob
from hypothesis import given, strategies as st
from snakemake_executor_plugin_slurm.submit_string import get_submit_command
from snakemake_executor_plugin_slurm.utils import set_gres_string

from lightsheet.cluster import request
from lightsheet.cluster.request import Request, request_rule, request_workers
from lightsheet.cluster.sbatch_options import Amounts
from lightsheet.cluster.section import read_section


def read(*words: str) -> Amounts:
    return Request("rule x", "file", request.RULE_KEYS, words).amounts


def test_options_are_read_as_sbatch_reads_them() -> None:
    words = ["-p", "cpu,long", "-A", "lab", "--qos=night", "-n1", "--cpus-per-task=8", "--mem=4G", "-t", "1-12"]
    assert read(*words) == Amounts(("cpu", "long"), "lab", "night", 8, 4096, 0, 129600, False)
    assert read("-c", "8", "--cpus-per-task", "2").cores == 2, "the last one counts"
    assert read("-c", "8", "--mem-per-cpu=2G").memory == 16384
    assert read("--exclusive").whole_node
    assert not read("--exclusive=user").whole_node
    assert read("--no-such-option", "-t", "UNLIMITED") == Amounts((), "", "", 1, 0, 0, 0, False)


@pytest.mark.parametrize(
    ("words", "gpus"),
    [
        (["--gres=gpu"], 1),
        (["--gres=gpu:2"], 2),
        (["--gres=nvme:4,gpu:a100:3(S:0-1)"], 3),
        (["--gres=gpu:a100"], 1),
        (["--gres=gpu:(null):4(S:0-1)"], 4),
        (["--gres=gpu:a100:no_consume:2,shard:8"], 2),
        (["--gres=gpumem:4"], 0),
        (["-G", "2"], 2),
        (["--gpus-per-node=h100:4"], 4),
    ],
)
def test_gpus_are_counted_however_they_are_asked_for(words: list[str], gpus: int) -> None:
    assert read(*words).gpus == gpus


@given(st.lists(st.text(), max_size=6))
def test_no_words_of_sbatch_make_reading_fail(words: list[str]) -> None:
    assert read(*words).cores >= 0


RESOURCES = {
    "plain": {"slurm_partition": "cpu", "runtime": 60, "mem_mb": 1000},
    "all": {
        **{"slurm_partition": "cpu", "slurm_account": "lab", "runtime": 60, "mem_mb_per_cpu": 500, "mem_mb": 1000},
        **{"qos": "night", "constraint": "avx512|avx2", "nodes": 1, "slurm_extra": "--exclusive --mail-user='a b'"},
    },
    "gpu": {"slurm_partition": "gpu", "gres": "gpu:1", "mem_mb": 1000, "runtime": 10, "clusters": "big"},
}


PLUGINS = {"--parsable", "--job-name", "name", "--output", "log", "--export", "ALL", "--comment", "words"}
"""What the plugin adds to what a rule's resources say."""


@pytest.mark.parametrize("resources", RESOURCES.values(), ids=RESOURCES)
def test_a_rules_request_is_the_plugins(resources: dict[str, Any]) -> None:
    parameters = {
        **{"run_uuid": "name", "slurm_logfile": "log", "comment_str": "words", "workdir": None},
        "account": f"-A {resources['slurm_account']}" if "slurm_account" in resources else "",
        "partition": f"-p {resources['slurm_partition']}",
    }
    job = SimpleNamespace(resources=Resources(resources), threads=4)
    plugin = shlex.split(f"{get_submit_command(job, parameters)}{set_gres_string(job)}")[1:]
    words = request_rule("x", "file", resources, 4).words
    assert sorted(split(words)) == sorted(word for word in split(plugin) if word not in PLUGINS)


class Resources(dict[str, Any]):
    def __getattr__(self, name: str) -> Any:
        return self[name]


def split(words: Iterable[str]) -> list[str]:
    """Take options and values apart, however they are written."""
    return [part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])]


SECTIONS = {
    "default": "{queue: cpu, cores: 8, walltime: '04:00:00'}",
    "all": "{queue: cpu, account: lab, cores: 8, memory: 64GiB, walltime: '1-00', job-cpu: 4, job-mem: 3G}",
    "extra": "{cores: 1, walltime: '30', job-directives-skip: ['--mem'],"
    " job-extra-directives: ['--mem-per-cpu=2G', '--gres=gpu:1 # the small ones']}",
}


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS)
def test_the_workers_request_is_dask_jobqueues(
    section: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, header: Callable[[int], list[str]]
) -> None:
    (tmp_path / "jobqueue.yaml").write_text(f"jobqueue: {{big: {section}}}")
    monkeypatch.setenv("LIGHTSHEET_JOBQUEUE", str(tmp_path / "jobqueue.yaml"))
    memory = 12345678901
    content = read_section("big")
    lines = header(content.memory or memory)
    assert list(request_workers(content, memory, 5).words) == [
        word for line in lines for word in shlex.split(line, comments=True)
    ]


@pytest.mark.parametrize(
    ("key", "job", "variable", "account"),
    [
        ("account: gpulab, ", "lab", "inside", "gpulab"),
        ("project: old, ", "lab", "inside", "old"),
        ("", "lab", "inside", "lab"),
        ("", "", "inside", "inside"),
        ("account: null, ", "", "", ""),
    ],
)
def test_workers_without_an_account_have_that_of_the_job_that_submits_them(
    key: str, job: str, variable: str, account: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "jobqueue.yaml").write_text(f"jobqueue: {{big: {{{key}walltime: '30'}}}}")
    monkeypatch.setenv("LIGHTSHEET_JOBQUEUE", str(tmp_path / "jobqueue.yaml"))
    monkeypatch.setenv("SLURM_JOB_ACCOUNT", variable)
    coordinator = request_rule("deconvolve", "config.yaml", {"slurm_account": job}, 1)
    content = read_section("big")
    workers = request_workers(content, 10**9, 1, coordinator)
    assert workers.amounts.account == account
    owner = "`account` in section big of " if account in {"gpulab", "old"} else "`slurm_account` in config.yaml"
    assert owner in workers.describe("account")


@pytest.mark.parametrize(
    ("section", "kind", "key"),
    [
        ("job-extra-directives: ['--account=rich']", "account", "job-extra-directives"),
        ("job-extra-directives: ['-A rich # of all']", "account", "job-extra-directives"),
        ("account: lab, job-extra-directives: ['-A rich']", "account", "job-extra-directives"),
        ("account: lab, job-extra-directives: ['--qos=night']", "account", "account"),
        ("queue: cpu, job-extra-directives: ['-p gpu']", "partition", "job-extra-directives"),
        ("job-extra-directives: ['--mem-per-cpu=2G']", "memory", "job-extra-directives"),
        ("job-extra-directives: ['--mem-per-cpu=2G']", "time", "walltime"),
        ("job-mem: 3G", "memory", "job-mem"),
        ("cores: 8, job-cpu: 4", "cores", "job-cpu"),
        ("cores: 8", "cores", "cores"),
    ],
)
def test_the_key_to_change_is_the_one_that_counts(
    section: str, kind: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "jobqueue.yaml").write_text(f"jobqueue: {{big: {{walltime: '30', {section}}}}}")
    monkeypatch.setenv("LIGHTSHEET_JOBQUEUE", str(tmp_path / "jobqueue.yaml"))
    coordinator = request_rule("deconvolve", "config.yaml", {"slurm_account": "lab"}, 1)
    workers = request_workers(read_section("big"), 10**9, 1, coordinator)
    assert workers.describe(kind) == f"change `{key}` in section big of {tmp_path / 'jobqueue.yaml'}"


def test_an_account_for_all_of_sbatchs_jobs_is_the_workers_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their own sbatch gets no SBATCH_*; SLURM would take no jobs of the default account at some sites."""
    (tmp_path / "jobqueue.yaml").write_text("jobqueue: {big: {account: null}}")
    monkeypatch.setenv("LIGHTSHEET_JOBQUEUE", str(tmp_path / "jobqueue.yaml"))
    monkeypatch.delenv("SLURM_JOB_ACCOUNT", raising=False)
    monkeypatch.setenv("SBATCH_ACCOUNT", "mine")
    for coordinator in (None, request_rule("deconvolve", "config.yaml", {}, 1)):
        assert request_workers(read_section("big"), 10**9, 1, coordinator).amounts.account == "mine"


@pytest.fixture
def header() -> Callable[[int], list[str]]:
    def make(memory: int) -> list[str]:
        options = {"scheduler": "tls://1.2.3.4:5", "name": "w", "config_name": "big", "memory": f"{memory} B"}
        job = SLURMJob(**options, job_name=None)
        lines = [line.removeprefix("#SBATCH ") for line in job.job_header.split("\n")]
        return [line for line in lines if not line.startswith("-J ")]

    return make


@given(
    st.builds(
        Amounts,
        st.tuples(st.sampled_from(["cpu", "long"])),
        *(st.sampled_from(["", "lab"]), st.sampled_from(["", "night"]), st.integers(1, 999)),
        *(st.integers(1, 10**7), st.integers(0, 16)),
        st.integers(1, 10**5).map(lambda minutes: 60.0 * minutes),
        st.just(False),
        st.just(""),
    )
)
def test_a_rules_request_holds_what_its_resources_say(amounts: Amounts) -> None:
    resources = {
        **{"slurm_partition": amounts.partitions[0], "slurm_account": amounts.account, "qos": amounts.qos},
        **{"mem_mb": amounts.memory, "runtime": int(amounts.seconds / 60)},
        "gres": f"gpu:{amounts.gpus}" if amounts.gpus else "",
    }
    assert request_rule("x", "file", resources, amounts.cores).amounts == amounts
