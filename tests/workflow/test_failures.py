from pathlib import Path

import pytest

from lightsheet.workflow.failures import list_disk_errors, list_failures
from tests.support.small_disk import mount_memory, unmount

STARTED = """
[Sat Nov 21 10:20:11 2026]
rule deconvolve:
    input: results/a/work/manifests/ingest.red.t0000.json, results/a/psf/red.tif
    output: results/a/work/manifests/deconvolve.t0000.json
    log: results/a/logs/deconvolve.t0000.log
    jobid: 8
    reason: Missing output files: results/a/work/manifests/deconvolve.t0000.json
    wildcards: block=t0000
    resources: tmpdir=<TBD>, mem_mb={mem_mb}, mem=1 GB, runtime=60, dask_cluster=cpu
Job 8 has been submitted with SLURM jobid {job} (log: {folder}/{job}.log).
"""

ENDED = """[Sat Nov 21 10:21:40 2026]
Error in rule deconvolve:
    message: SLURM-job '{job}' failed{cause}, SLURM status is: '{state}'. Detailed failure reason unavailable \
(status command is not 'sacct').For further error details see the cluster/cloud log.
    jobid: 8
    input: results/a/work/manifests/ingest.red.t0000.json, results/a/psf/red.tif
    output: results/a/work/manifests/deconvolve.t0000.json
    log: results/a/logs/deconvolve.t0000.log, {folder}/{job}.log (check log file(s) for error details)
    external_jobid: {job}
"""

REFUSED = """[Sat Nov 21 10:21:40 2026]
Error in rule deconvolve:
    message: SLURM sbatch failed. The error message was 'sbatch: error: invalid partition specified: cup
sbatch: error: Batch job submission failed: Invalid partition name specified'.
    sbatch call:
        sbatch --parsable --job-name ls-a_1 --wrap="snakemake"
For further error details see the cluster/cloud log and the log files of the involved rule(s).
    jobid: 8
    output: results/a/work/manifests/deconvolve.t0000.json
"""

FINISHED = """[Sat Nov 21 10:24:40 2026]
Finished jobid: 8 (Rule: deconvolve)
"""

LOCAL = """[Sat Nov 21 10:24:40 2026]
localrule psf:
    output: results/a/psf/red.tif
    jobid: 3
    wildcards: channel=red
    resources: tmpdir=/tmp
Error in rule psf:
    message: None
    jobid: 3
    output: results/a/psf/red.tif
"""


def attempt(folder: Path, job: int, state: str, mem_mb: int = 1000, cause: str = "") -> str:
    values = {"folder": folder, "job": job, "state": state, "mem_mb": mem_mb, "cause": cause}
    return STARTED.format(**values) + ENDED.format(**values)


def failures(folder: Path, text: str) -> list[str]:
    (folder / "snakemake.log").write_text(text)
    return list_failures([str(folder / "snakemake.log")])


def test_a_failed_job_is_told_once_with_its_state_in_words_and_its_logs(tmp_path: Path) -> None:
    (sentence,) = failures(tmp_path, attempt(tmp_path, 61, "CANCELLED") + attempt(tmp_path, 62, "TIMEOUT"))
    assert sentence == (
        "deconvolve block=t0000, tried 2 times: SLURM job 62: it reached its time limit (TIMEOUT); see "
        f"results/a/logs/deconvolve.t0000.log and {tmp_path}/62.log; to give it more: "
        "--set-resources deconvolve:runtime=120"
    )


def test_a_job_that_succeeded_later_is_not_told(tmp_path: Path) -> None:
    assert failures(tmp_path, attempt(tmp_path, 61, "OUT_OF_MEMORY") + FINISHED) == []


def test_a_failed_node_is_named_as_the_cause(tmp_path: Path) -> None:
    (sentence,) = failures(tmp_path, attempt(tmp_path, 61, "NODE_FAIL", cause=" due to a node failure"))
    assert "its node failed (NODE_FAIL)" in sentence


@pytest.mark.parametrize("line", ["", "slurmstepd-c1: error: Exceeded job memory limit\n"])
def test_a_memory_kill_is_recognised_where_slurm_calls_it_a_failure(tmp_path: Path, line: str) -> None:
    (tmp_path / "61.log").write_text(f"some output\n{line}WorkflowError\n")
    (sentence,) = failures(tmp_path, attempt(tmp_path, 61, "FAILED", mem_mb=750))
    assert ("OUT_OF_MEMORY" in sentence) == ("mem_mb=1500" in sentence) == bool(line)


def test_the_last_error_of_a_jobs_own_log_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results" / "a" / "logs").mkdir(parents=True)
    (tmp_path / "results" / "a" / "logs" / "deconvolve.t0000.log").write_text(
        "2026-11-21 10:00:00 ERROR first\n2026-11-21 10:00:01 INFO then\n2026-11-21 10:00:02 ERROR no worker is left\n"
    )
    (sentence,) = failures(tmp_path, attempt(tmp_path, 61, "FAILED"))
    assert "it ended with an error (FAILED); its log says: no worker is left; see " in sentence
    with (tmp_path / "results" / "a" / "logs" / "deconvolve.t0000.log").open("a") as log:
        log.write("2026-11-21 10:00:03 ERROR 1 of 2 volumes could not be done, the others are:\nred: it is damaged\n")
    (sentence,) = failures(tmp_path, attempt(tmp_path, 61, "FAILED"))
    assert "its log says: 1 of 2 volumes could not be done, the others are; see " in sentence


def test_what_sbatch_refused_is_quoted(tmp_path: Path) -> None:
    (sentence,) = failures(tmp_path, STARTED.format(folder=tmp_path, job=0, mem_mb=1) + REFUSED)
    assert sentence.startswith("deconvolve block=t0000: SLURM did not take the job: sbatch: error: invalid partition")


def test_jobs_on_this_machine_have_spoken_for_themselves(tmp_path: Path) -> None:
    assert failures(tmp_path, LOCAL) == []


@pytest.mark.parametrize("folder", ["new", "mouse (old)"])
def test_a_full_disk_is_told_at_the_end_once(folder: str, tmp_path: Path) -> None:
    tmp_path /= folder
    tmp_path.mkdir()
    block = "[Sat Nov 21 10:21:40 2026]\nError in rule {rule}:\n    message: None\n    log: {log} (check log file(s))\n"
    blocks = [block.format(rule=rule, log=tmp_path / f"{rule}.log") for rule in ("psf", "ingest", "inventory", "pilot")]
    (tmp_path / "snakemake.log").write_text("".join(blocks))
    line = "2026-11-21 10:20:11 ERROR a cannot be written, because the disk at / is full (5.0 kB free without it)\n"
    for rule in ("psf", "ingest"):
        (tmp_path / f"{rule}.log").write_text(line)
    (tmp_path / "inventory.log").write_text(f"{line}2026-11-21 10:25:11 ERROR a.tif: is cut off\n")  # room was made
    assert list_disk_errors([str(tmp_path / "snakemake.log")], [tmp_path]) == [line[26:-1]]
    for rule in ("psf", "ingest"):
        (tmp_path / f"{rule}.log").unlink()
    assert list_disk_errors([str(tmp_path / "snakemake.log")], [tmp_path]) == []


def test_a_disk_that_is_full_to_the_last_byte_is_found_by_a_trial(tmp_path: Path) -> None:
    """As when Snakemake itself could not write, or a job's log lacks its end."""
    mount_memory(tmp_path / "disk", 100)
    try:
        (sentence,) = list_disk_errors([], [tmp_path, tmp_path / "disk" / "results", tmp_path / "disk"])
        assert f"because the disk at {tmp_path}/disk is full" in sentence
        assert list((tmp_path / "disk").iterdir()) == []
    finally:
        unmount(tmp_path / "disk")


def test_where_memory_is_asked_for_by_the_core_that_is_what_to_raise(tmp_path: Path) -> None:
    log = attempt(tmp_path, 61, "OUT_OF_MEMORY").replace("runtime=60", "runtime=60, mem_mb_per_cpu=4000")
    (sentence,) = failures(tmp_path, log)
    assert sentence.endswith(":mem_mb_per_cpu=8000")
