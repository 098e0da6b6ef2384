import itertools
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from dask import config
from dask_jobqueue.slurm import SLURMJob

from lightsheet.cluster import jobqueue, section
from lightsheet.cluster.request import request_workers
from lightsheet.system.errors import InputError
from tests.support.fake_commands import command
from tests.support.families import parametrize


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIGHTSHEET_JOBQUEUE", str(tmp_path / "jobqueue.yaml"))
    return tmp_path / "jobqueue.yaml"


def test_the_profiles_own_sections_are_read() -> None:
    cpu, gpu = section.read_section("cpu"), section.read_section("gpu")
    assert (cpu.cores, cpu.gpu, cpu.memory, cpu.walltime, cpu.patience) == (None, False, None, 14400, 43200)
    assert (gpu.cores, gpu.gpu) == (8, True)


def test_units_are_those_of_dask_and_sbatch(file: Path) -> None:
    file.write_text(
        "jobqueue: {big: {cores: 4, memory: 64GiB, walltime: '1-00:00:00'}}\nlightsheet: {wait-for-workers: 90s}"
    )
    assert section.read_section("big") == section.Section("big", 4, False, 64 * 2**30, 86400, 90)


@pytest.mark.parametrize(
    ("keys", "cores"),
    [("cores: 6", 6), ("cores: null", None), ("queue: cpu", None), ("cores: null, job-cpu: 3", 3)],
)
def test_a_number_of_cores_may_be_left_open(file: Path, keys: str, cores: int | None) -> None:
    file.write_text(f"jobqueue: {{big: {{{keys}, walltime: '04:00:00'}}}}")
    assert section.read_section("big").cores == cores


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("jobqueue: {big: {cores: 4, walltime: long}}", "section big: walltime 'long' is not a time"),
        ("jobqueue: {big: {cores: 4, walltime: 12:00:00}}", "section big: walltime 43200 must stand in quotes"),
        ("jobqueue: {big: {walltime: '0'}}", "section big: walltime '0' means none to SLURM"),
        ("jobqueue: {big: {cores: many}}", "section big: invalid literal for int.*'many'"),
        ("jobqueue: {big: {cores: 0}}", "section big: cores 0 must be a number from 1, or null"),
        ("jobqueue: {big: {cores: 4, memory: lots}}", "section big: Could not interpret 'lots'"),
        ("jobqueue: {big: {cores: 4}}\nlightsheet: {wait-for-workers: 5 mins}", "section big: .*mins"),
        (
            "jobqueue: {big: {scheduler-options: {protocol: tcp, security: null, jupyter: true}}}",
            "section big: scheduler-options may not hold jupyter, protocol, security: all connections have TLS",
        ),
        (
            "jobqueue: {big: {partition: cpu, job_cpus: 3, walltime: '04:00:00'}}",
            "section big: partition, job-cpus is unknown; known here: account, .* job-cpu, .* queue, ",
        ),
        ("jobqueue: {big: [4]}", "section big: .*4.* must be keys with values"),
        (
            "jobqueue: {big: {walltime: '04:00:00'}}\nlightsheet: {wait-for-worker: 1 h}",
            "lightsheet: wait-for-worker is unknown; known here: wait-for-workers$",
        ),
        ("jobqueue: {small: {}}", "has no section 'big'; it may be one of local, small"),
        ("{}", "has no section 'big'; it may be one of local$"),
        ("", "has no section 'big'; it may be one of local$"),
        ("jobqueue: {big: [", "cannot be read as YAML: while parsing"),
        ("- big", "cannot be read as YAML: .*"),
        ("jobqueue: [big]", "jobqueue: .'big'. must be keys with values"),
        ("jobqueue: {big: {memory: 64}}", "section big: memory is 64 bytes, too few .* unit"),
        (
            "jobqueue: {big: {job-extra-directives: {qos: long}}}",
            "section big: job-extra-directives .* a list of lines",
        ),
    ],
)
def test_a_mistake_is_answered_with_the_file_and_the_section(file: Path, content: str, sentence: str) -> None:
    file.write_text(content)
    with pytest.raises(InputError, match=sentence) as caught:
        section.read_section("big")
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    "keys",
    [
        "job-extra-directives: ['--gres=gpu:1'], job-script-prologue: [a b], job-directives-skip: [--mem], job-cpu: 3",
        "queue: '', account: '', job_extra_directives: --gres=gpu:1, job_script_prologue: a b,"
        " job_directives_skip: --mem, job_cpu: '3'",
        "job-extra: ['--gres=gpu:1'], env-extra: [a b], header-skip: [--mem], job-cpu: 3, worker-extra-args: null",
    ],
    ids=["documented", "of a person", "of an old version"],
)
def test_a_key_means_the_same_however_dask_lets_a_person_write_it(file: Path, keys: str) -> None:
    file.write_text(f"jobqueue: {{big: {{{keys}}}}}")
    big = section.read_section("big")
    assert (big.gpu, big.cores) == (True, 3)
    words = ("-n", "1", "--cpus-per-task=3", "-t", "00:30:00", "--gres=gpu:1")
    assert request_workers(big, 10**9, 1).words == words
    options = jobqueue._list_job_options(config.get("jobqueue.big"), Path("/logs/x"))
    assert options["job_script_prologue"][1] == "a b"
    job = SLURMJob(config_name="big", scheduler="tls://1.2.3.4:5", name="w", memory="1 GB", cores=1)
    assert shlex.split(job.job_header.replace("#SBATCH ", "")) == ["-J", "dask-worker", *words]


def test_a_site_may_have_keys_of_its_own(file: Path) -> None:
    """In ~/.config/dask or /etc/dask, where files of many years stand."""
    file.write_text("jobqueue: {big: {queue: long}}")
    site = {"job_extra": ["-G 1"], "extra": [], "cores": 6, "queue": "cpu", "key-of-2018": 1}
    with config.set({"jobqueue.slurm": site}):
        big = section.read_section("big")
        assert (big.gpu, big.cores, config.get("jobqueue.big.queue")) == (True, 6, "long")


def test_an_empty_section_has_dask_jobqueues_defaults(file: Path) -> None:
    file.write_text("jobqueue: {big: null}")
    assert section.read_section("big").walltime == 30 * 60


def test_a_missing_file_is_named(file: Path) -> None:
    with pytest.raises(InputError, match=f"{file} is not there"):
        section.read_section("cpu")


FAKE_PYTHON = """#!{python}
import json, os, sys
json.dump([sys.argv[1:], os.environ["PYTHONPATH"]], open({answer!r}, "w"))
"""


OPTIONS = [
    *("--name", "--nthreads", "--memory-limit", "--no-nanny", "--death-timeout", "--local-directory"),
    *("--no-dashboard", "--lifetime"),
    *(
        "--lifetime-stagger",
        "--nthreads",
        "--memory-limit",
        "--dashboard-address",
        "--worker-class",
        "--tls-ca-file",
        "--tls-cert",
        "--tls-key",
    ),
    "--protocol",
]
"""Of a worker, after the scheduler's address; each has a value but those that begin with `--no-`."""


def submit_and_run(folder: Path, commands: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, list[str], str]:
    """Submit a worker whose log, code and interpreter lie in a folder; return the script, and what it has done."""
    (folder / "bin").mkdir(parents=True)
    answer, script = commands / "answer.json", commands / "script.sh"
    command(folder / "bin", "python", "")
    (folder / "bin" / "python").write_text(FAKE_PYTHON.format(python=sys.executable, answer=str(answer)))
    command(commands, "sbatch", f'echo "Welcome to Stampede3"; cp "$1" {script}; echo "Submitted batch job 519605"')
    command(commands, "scancel", "true")
    monkeypatch.setattr(sys, "executable", str(folder / "bin" / "python"))
    monkeypatch.setattr(jobqueue, "SCRIPTS", folder / "scripts")
    monkeypatch.setenv("PYTHONPATH", "/site/modules")
    monkeypatch.setenv("TMPDIR", str(folder / "tmp"))
    cpu = section.read_section("cpu")
    with jobqueue.start_scheduler(cpu, "ls-test", folder / "logs", 10**9, 8) as cluster:
        jobqueue.set_job_options(cluster, cpu, 10**9, 100, 10)
        assert jobqueue.update_jobs(cluster, submit=["worker-0"]) == ""
        assert cluster.workers["worker-0"].job_id == "519605", "not the 3 of the site's greeting"
        subprocess.run(["bash", script], check=True, cwd=commands)
    arguments, path = json.loads(answer.read_text())
    return script.read_text(), arguments, path


@parametrize(
    "name",
    [
        "R&D (old) O'Neill; `touch x`",
        'a$(touch x)b "quoted" #5 !! ~',
        "100%j %% \ttab *?[a] {b,c} < > |",
        "-µm 細胞 ",
    ],
)
def test_no_part_of_a_path_is_anything_but_a_name_to_the_shell(
    name: str, tmp_path: Path, commands: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / name
    script, arguments, path = submit_and_run(folder, commands, monkeypatch)
    options = dict(itertools.pairwise(arguments))
    assert Path(options["--local-directory"]).parent == folder / "tmp"
    assert not list((folder / "tmp").iterdir()), "left in a place for temporary files"
    keys = [Path(options[option]) for option in ("--tls-ca-file", "--tls-cert", "--tls-key")]
    assert arguments[:2] == ["-m", "distributed.cli.dask_worker"]
    assert {key.parent.parent for key in keys} == {folder / "logs"}
    assert [word for word in arguments[3:] if word.startswith("-")] == OPTIONS
    assert len(arguments) == 3 + 2 * len(OPTIONS) - sum(option.startswith("--no-") for option in OPTIONS)
    assert path == f"{folder / 'scripts'}:/site/modules"
    assert not (commands / "x").exists(), "a part of the name was run as a command"
    (log,) = re.findall("^#SBATCH -e (.*)", script, re.MULTILINE)
    assert shlex.split(log) == [str(folder / "logs" / "ls-test").replace("%", "%%") + "-%J.err"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("back\\slash", "a folder with a backslash or a line break in its name; rename it"),
        ("two\nlines", "a folder with a backslash or a line break in its name; rename it"),
        (os.fsdecode(b"\xb5m"), "cannot have a path that is not UTF-8; rename the folder"),
    ],
)
def test_a_folder_whose_name_sbatch_cannot_take_is_refused(name: str, sentence: str, tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=sentence),
        jobqueue.start_scheduler(section.read_section("cpu"), "ls-test", tmp_path / name, 10**9, 8),
    ):
        pass
    assert not (tmp_path / name).exists()


def test_code_in_a_folder_with_a_colon_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobqueue, "SCRIPTS", tmp_path / "a:b")
    with (
        pytest.raises(InputError, match="cannot have code in a folder with a colon"),
        jobqueue.start_scheduler(section.read_section("cpu"), "ls-test", tmp_path, 10**9, 8),
    ):
        pass


def test_workers_of_which_sbatch_refused_some_end_like_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The traceback of a refusal may keep all jobs of that moment in memory."""
    command(tmp_path, "sbatch", f'mkdir {tmp_path}/one || exit 1; cp "$1" {tmp_path}; echo "Submitted batch job 7"')
    command(tmp_path, "scancel", "true")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ACCOUNT", "lab")
    cpu = section.read_section("cpu")
    with jobqueue.start_scheduler(cpu, "ls-test", tmp_path / "logs", 10**9, 8) as cluster:
        jobqueue.set_job_options(cluster, cpu, 10**9, 100, 10)
        names = ["worker-0", "worker-1"]
        assert jobqueue.update_jobs(cluster, submit=names)
        jobs = [cluster.workers[name] for name in names]
        assert sorted(job.job_id or "" for job in jobs) == ["", "7"]
        jobqueue.forget_jobs(cluster, names)
    (script,) = tmp_path.glob("*.sh")
    assert "#SBATCH -A lab\n" in script.read_text(), "the account of the job that submits"


def test_memory_is_rounded_up() -> None:
    assert jobqueue.format_memory(2**20 + 1) == "2MiB"
