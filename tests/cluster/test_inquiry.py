"""What is said of a cluster's answers: certain reasons end a run, doubtful ones are said, odd ones are passed over."""

import math
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from subprocess import TimeoutExpired
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lightsheet.cluster import inquiry, questions
from lightsheet.cluster.inquiry import Inquiry, ask_slurm
from lightsheet.cluster.questions import Answer
from lightsheet.cluster.request import Request
from tests.support.fake_cluster import ACCOUNTS, PARTITIONS, QOS, SETTINGS, SINFO, USER, refuse, write_cluster
from tests.support.fake_commands import command
from tests.support.inquiries import ask, rule, worker


def test_a_cluster_that_takes_all_is_asked_once_for_each_kind_of_job(commands: Path) -> None:
    write_cluster(commands)
    ingest, consolidate = rule(cores=2), rule("consolidate", cores=2)
    assert ask(rule("deconvolve"), ingest, consolidate, worker(2)) == Inquiry([], [], [], 5)
    trials = (commands / "trials").read_text().splitlines()
    assert len(trials) == 3, "two rules ask for the same"
    assert all(trial.startswith("--test-only ") for trial in trials)


@pytest.mark.parametrize(
    ("words", "request_", "sentence"),
    [
        (
            "sbatch: error: invalid partition specified: moon\nallocation failure: Invalid partition name specified",
            rule(slurm_partition="moon"),
            "SLURM has no partition `moon`: change `slurm_partition` in config.yaml; it has cpu, gpu (rule ingest)",
        ),
        (
            "allocation failure: Invalid account or account/partition combination specified",
            rule(slurm_account="rich"),
            "SLURM takes no jobs of account `rich` from you here: change `slurm_account` in config.yaml; yours: lab "
            "(rule ingest)",
        ),
        (
            "allocation failure: Invalid qos specification",
            worker(1, "--qos=day"),
            "SLURM refuses the jobs (Invalid qos specification): change `job-extra-directives` in section cpu of "
            "jobqueue.yaml (workers)",
        ),
        (
            "sbatch: error: QOSMaxWallDurationPerJobLimit\nallocation failure: Job violates accounting/QOS policy (x)",
            rule(),
            "SLURM refuses the jobs (QOSMaxWallDurationPerJobLimit): change `runtime` under `set-resources` in "
            "config.yaml (`--set-resources RULE:runtime=MINUTES`) (rule ingest)",
        ),
        (
            "allocation failure: Requested node configuration is not available",
            rule(mem_mb="640000"),
            "a job that wants 671.1 GB of memory can never start, as the largest node of partition `cpu` has 16.8 GB "
            "of memory: change `mem_mb` under `set-resources` in config.yaml (`--set-resources RULE:mem_mb=MB`) (rule "
            "ingest)",
        ),
        (
            "allocation failure: Requested node configuration is not available",
            worker(9),
            "a job that wants 9 cores can never start, as the largest node of partition `cpu` has 8 cores: change "
            "`cores` in section cpu of jobqueue.yaml (workers)",
        ),
        (
            "allocation failure: Requested node configuration is not available",
            worker(1, "--gres=gpu:1"),
            "a job that wants 1 GPU can never start, as the largest node of partition `cpu` has 0 GPUs: change "
            "`job-extra-directives` in section cpu of jobqueue.yaml (workers)",
        ),
    ],
)
def test_what_can_never_run_is_one_sentence(commands: Path, words: str, request_: Request, sentence: str) -> None:
    write_cluster(commands, refuse(words))
    assert ask_slurm([request_], None).refusals == [sentence]
    assert ask_slurm([request_] * 3, None).refusals == [sentence], "once"


@pytest.mark.parametrize(
    "words",
    [
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
        "sbatch: error: Unable to contact slurm controller (connect failure)",
        "sbatch: error: lua: Requesting memory by node is not supported. Use --mem-per-cpu.",
        "sbatch: error: AssocMaxSubmitJobLimit\nallocation failure: Job violates accounting/QOS policy (job limit)",
        "sbatch: error: AssocGrpCPUMinutesLimit\nallocation failure: Job violates accounting/QOS policy (job limit)",
        "allocation failure: Requested node configuration is not available",  # a maintenance is near
        "allocation failure: Required node not available (down, drained or reserved)",
        "",
    ],
)
def test_what_may_pass_is_said_and_refuses_no_run(commands: Path, words: str) -> None:
    write_cluster(commands, refuse(words))
    answer = ask(rule("deconvolve"), worker(4))
    assert answer.refusals == []
    assert len(answer.remarks) == 1
    assert "that may pass (rule deconvolve, workers)" in answer.remarks[0]


def test_a_job_longer_than_its_partition_allows_would_wait_for_ever(commands: Path) -> None:
    write_cluster(commands)
    sentence = "jobs that may take longer than the 24.0 h of partition `cpu` can never start: change `runtime` under "
    place = "`set-resources` in config.yaml (`--set-resources RULE:runtime=MINUTES`)"
    long = [rule(runtime="2880"), rule("consolidate", runtime="5000")]
    assert ask(*long).refusals == [f"{sentence}{place} (rules ingest, consolidate)"]
    write_cluster(commands, refuse("sbatch: error: Requested time limit is invalid (missing or exceeds some limit)"))
    assert ask(*long).refusals == [f"{sentence}{place} (rules ingest, consolidate)"]
    write_cluster(commands, qos=QOS + "endless|||||||PartitionTimeLimit\n")
    assert ask(rule(runtime="2880")).refusals == []
    command(commands, "sacctmgr", "echo 'Access denied' >&2; exit 1")
    assert ask(rule(runtime="2880")).refusals == [], "a QOS might allow it"


def test_several_clusters_and_banners_are_passed_over(commands: Path) -> None:
    banner = "Welcome to Stampede3 | since 2024\n--> Verifying...OK\n"
    write_cluster(commands, nodes=banner + SINFO, partitions=banner + PARTITIONS, settings=banner + SETTINGS)
    assert ask(rule("deconvolve"), worker(2)) == Inquiry([], [], [], 5)
    write_cluster(commands, nodes=f"CLUSTER: a\n{SINFO}CLUSTER: b\n{SINFO}")
    assert ask(rule("deconvolve"), worker(9)) == Inquiry([], [], [], math.inf)


def run_patiently(command: Sequence[str], *, timeout: float, **options: Any) -> Any:
    """Do as `subprocess.run`, but wait for all who answer: a busy machine may need longer than a test for a shell."""
    return subprocess.run(command, timeout=timeout if command[0] == "sinfo" else 60, **options)


def test_commands_that_are_missing_forbidden_or_silent_are_said_and_refuse_nothing(
    commands: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "SECONDS", 0.3)
    monkeypatch.setattr(questions, "subprocess", SimpleNamespace(run=run_patiently, TimeoutExpired=TimeoutExpired))
    command(commands, "sinfo", "exec sleep 20")
    command(commands, "sacctmgr", "echo 'sacctmgr: error: Access denied' >&2; exit 1")
    command(commands, "scontrol", "")
    (commands / "scontrol").chmod(0)
    (commands / "sleep").symlink_to("/bin/sleep")
    monkeypatch.setenv("PATH", str(commands))
    start = time.monotonic()
    answer = ask(rule("deconvolve"), worker(9), coordinators=99)
    assert time.monotonic() - start < 19
    assert (answer.refusals, answer.remarks, answer.workers) == ([], [], math.inf)
    (doubt,) = answer.doubts
    assert "its nodes (sinfo: no answer in 0 s)" in doubt
    assert "the limits of your account (sacctmgr: Access denied)" in doubt
    assert "whether it would take the jobs (sbatch: there is no such command here)" in doubt


def test_a_cluster_without_accounting_has_no_limits_to_ask_for(commands: Path) -> None:
    write_cluster(commands, settings=SETTINGS.replace("slurmdbd", "none"))
    command(commands, "sacctmgr", "echo 'You are not running a supported accounting_storage plugin' >&2; exit 1")
    assert ask(rule("deconvolve"), worker(2)) == Inquiry([], [], [], 5)


def test_an_inquiry_is_not_about_the_job_that_it_is_made_in(commands: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cluster(commands, f"env > {commands}/environment_$$")
    for name in ("SLURM_MEM_PER_NODE", "SBATCH_ACCOUNT", "SLURM_CLUSTERS"):
        monkeypatch.setenv(name, "7")
    ask(rule("deconvolve"))
    ask_slurm([worker(2)], None)
    texts = [path.read_text() for path in commands.glob("environment_*")]
    assert sorted("SBATCH_ACCOUNT=7" in text for text in texts) == [False, True], "the workers' sbatch gets none"
    assert not any("SLURM_MEM_PER_NODE" in text for text in texts)
    assert all("SLURM_CLUSTERS=7" in text for text in texts)


LINES = st.lists(st.sampled_from([*(SINFO + PARTITIONS + SETTINGS + USER + ACCOUNTS + QOS).splitlines(), "x|y", ""]))
TEXT = st.one_of(LINES.map("\n".join), st.text())
ANSWERS = st.builds(Answer, st.sampled_from([0, 0, 0, 1, None]), TEXT, TEXT)


@given(
    st.fixed_dictionaries(dict.fromkeys(questions.COMMANDS, ANSWERS)),
    st.lists(st.builds(Answer, st.sampled_from([1, None]), TEXT, TEXT), min_size=2, max_size=2),
    st.integers(0, 99),
)
def test_whatever_the_commands_print_is_no_reason_but_a_limit_that_is_enforced(
    answers: dict[str, Answer], trials: list[Answer], coordinators: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inquiry, "ask_site", lambda: answers)
        patch.setattr(inquiry, "try_requests", lambda requests: trials[: len(requests)])
        answer = ask(rule("deconvolve"), worker(1), coordinators=coordinators)
    assert answer.refusals == []


def test_a_job_for_any_of_several_partitions_may_take_the_time_of_the_longest(commands: Path) -> None:
    write_cluster(commands)
    assert ask(rule(slurm_partition="cpu", runtime="2880")).refusals
    assert ask(rule(slurm_partition="cpu,gpu", runtime="2880")).refusals == []
    assert ask(rule(slurm_partition="cpu,hidden", runtime="2880")).refusals == []
    assert ask(rule(runtime="2880", slurm_extra="--time-min=60")).refusals == [], "it may be shortened"


@pytest.mark.parametrize("place", ["--clusters=far", "-M far", "SLURM_CLUSTERS=near,far", "SBATCH_CLUSTERS=far"])
def test_another_cluster_is_not_judged_by_this_one(commands: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    write_cluster(commands)
    words, _, clusters = place.partition("=")
    if words.endswith("_CLUSTERS"):
        monkeypatch.setenv(words, clusters)
    extra = {} if words.endswith("_CLUSTERS") else {"slurm_extra": place}
    answer = ask(rule("deconvolve", runtime="2880", **extra), worker(16))
    assert answer == Inquiry([], [], [], math.inf)


@pytest.mark.parametrize("key", ["cluster", "clusters", "slurm_cluster"])
def test_a_rules_cluster_is_named_in_the_question(commands: Path, key: str) -> None:
    write_cluster(commands)
    assert ask(rule(runtime="2880", **{key: "far"})).refusals == []
    assert "--clusters far" in (commands / "trials").read_text()


def test_what_a_sites_filter_may_change_refuses_no_run(commands: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cluster(commands, settings=SETTINGS + "JobSubmitPlugins        = lua\n", qos="normal|1||||||\n")
    answer = ask(rule("deconvolve", runtime="2880"), worker(4))
    assert answer.refusals == []
    assert any("leaves no room" in remark for remark in answer.remarks)
    assert any("can never start" in remark for remark in answer.remarks)
    write_cluster(commands, settings=SETTINGS + "JobSubmitPlugins        = (null)\n", qos="normal|1||||||\n")
    assert ask(rule("deconvolve"), worker(4)).refusals
    monkeypatch.setenv("SBATCH_QOS", "night")
    assert ask(rule("deconvolve"), worker(4)).refusals == []


def test_a_user_without_a_name(commands: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cluster(commands)
    monkeypatch.setattr(questions.os, "getuid", lambda: 2**31 - 7)
    assert ask(rule()) == Inquiry([], [], [], math.inf)


def test_an_option_without_its_value(commands: Path) -> None:
    write_cluster(commands, refuse("sbatch: option requires an argument -- 'p'"))
    assert "option requires an argument" in ask(rule(slurm_extra="-p")).refusals[0]
