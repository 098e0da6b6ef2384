"""Dask workers as SLURM jobs, and all that happens to them: the run goes on, with the bytes of an undisturbed one."""

import os
import re
import shlex
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lightsheet.store.paths import shard_path
from tests.support.intruder import Address, attack, list_listeners
from tests.support.project import CHANNELS
from tests.support.slurm_project import SECTIONS, SlurmProject

pytestmark = pytest.mark.slurm

PLACE = "R&D (old) $(id) O'Neill 100%j"
"""The projects' folder, as people name folders: nothing of it is for a shell or for SLURM to read."""


def busy(project: SlurmProject, running: subprocess.Popen[bytes]) -> Any:
    """Wait until a volume is done and another in the middle; return a worker's job."""
    project.wait_for("deconvolve 1/6")
    assert running.poll() is None
    return project.cluster.wait_until(project.worker_jobs, 60, "a running worker")[-1]


def list_keys(project: SlurmProject) -> list[Path]:
    return list((project.results / "logs" / "workers").glob(".keys*"))


def test_lost_workers_are_replaced_in_the_same_run(project: SlurmProject) -> None:
    running = project.workers_from("cpu")
    project.cluster.wait_until(lambda: len(project.worker_jobs()) == 2, 120, "two running workers")
    cancelled = busy(project, running)
    killed = next(job for job in project.worker_jobs() if job.id != cancelled.id)
    before = {path: path.read_text() for path in project.done()}

    def list_all() -> list[Address]:
        listeners = list_listeners(running.pid, *project.cluster.pids_of(killed.id))
        return listeners if len(listeners) >= 4 else []

    pages = "a scheduler, its dashboard, a worker and its pages that tell of its health"
    with project.hold_volumes():
        project.cluster.command("scancel", str(cancelled.id))
        listeners = project.cluster.wait_until(list_all, 60, pages)
        assert attack(listeners) == "", "another user was answered"
        project.cluster.signal(killed.id, signal.SIGKILL)
    log = project.finish(running)
    assert not list_keys(project)
    assert f"job {cancelled.id} on {cancelled.node}: it was cancelled (CANCELLED)" in log
    assert f"job {killed.id} on {killed.node}: it ended with an error (FAILED)" in log
    assert "Dask dashboard at http://" in log
    assert "in flight" in log
    assert before
    assert all(path.read_text() == text for path, text in before.items()), "a finished volume was done again"


def test_a_worker_near_its_walltime_is_replaced_without_losing_a_volume(project: SlurmProject) -> None:
    log = project.finish(project.workers_from("brief", 1))
    assert log.count("1 worker job(s) submitted") > 1, "no worker came near its walltime: the volumes are too small"
    assert "done again" not in log
    assert "try 1" not in log
    assert {job.state for job in project.worker_jobs(state=None)} == {"COMPLETED"}, "a worker had to be cancelled"


def test_a_node_crashes_and_comes_back(project: SlurmProject) -> None:
    running = project.workers_from("cpu")
    node = busy(project, running).node
    with project.hold_volumes():
        project.cluster.crash(node)
        project.cluster.command("scontrol", "update", f"nodename={node}", "state=down", "reason=crash")  # not in 30 s
        project.wait_for("its node failed (NODE_FAIL)")
    project.cluster.revive(node)
    project.finish(running)


def test_workers_give_way_to_jobs_of_higher_priority(project: SlurmProject) -> None:
    running = project.workers_from("cpu")
    busy(project, running)
    with project.hold_volumes():
        urgent = [
            project.cluster.submit("--partition=urgent", f"--nodelist={node}", "--exclusive", "--wrap=sleep 5")
            for node in ("c1", "c2")
        ]
        project.wait_for("a job of higher priority took its place (PREEMPTED)")
    project.finish(running)
    assert {project.cluster.job(job).state for job in urgent} == {"COMPLETED"}


def test_a_volume_that_cannot_be_done_is_reported_alone(project: SlurmProject) -> None:
    project.succeed("--until", "ingest")
    raw = shard_path(project.results / "work" / "raw" / CHANNELS[1], 0, (1,))
    content = bytearray(raw.read_bytes())
    content[100] ^= 255
    raw.write_bytes(content)
    log = project.fail_in(project.workers_from("cpu"))
    assert f"{CHANNELS[1]} timepoint 1: try" not in log, "the next try would say the same"
    assert "1 of 6 volumes could not be deconvolved" in log
    assert f"{raw.relative_to(project.folder)} has a damaged inner chunk" in log
    assert len(project.done()) == 6
    assert [path.stem for path in project.done() if '"failed"' in path.read_text()] == ["t0001"]
    assert not project.results.joinpath("small.ome.zarr").exists(), "consolidation has refused"
    project.finish(project.workers_from("cpu"))


def spoil_python(project: SlurmProject, code: str, raw: Path) -> list[str]:
    """Write a sitecustomize.py that is about a raw shard; return the lines by which a worker's job begins with it."""
    folder = project.folder / "spoilt"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(code.format(shard=str(raw.relative_to(project.folder))))
    return [f"export PYTHONPATH={shlex.quote(str(folder))}:$PYTHONPATH"]


DEADLY = """
import os, sys

def die(event, arguments):
    if event == "open" and str(arguments[0]).endswith({shard!r}):
        os._exit(1)

sys.addaudithook(die)
"""
"""A sitecustomize.py with which a worker dies whenever it opens one raw shard."""


def test_a_volume_that_kills_every_worker_is_given_up_after_three(project: SlurmProject) -> None:
    raw = shard_path(project.results / "work" / "raw" / CHANNELS[0], 0, (2,))
    project.offer(cpu={"job-script-prologue": spoil_python(project, DEADLY, raw)})
    log = project.fail_in(project.workers_from("cpu"))
    deaths = re.findall(
        rf"{CHANNELS[0]} timepoint 2: (?:try \d of 3 failed: )?job (\d+) on c\d: it ended with an error", log
    )
    assert len(set(deaths)) == 3, log
    assert "1 of 6 volumes could not be deconvolved" in log
    failed = [path for path in project.done() if '"failed"' in path.read_text()]
    assert failed == [project.results / "records" / "result" / CHANNELS[0] / "t0002.json"]
    assert len(project.done()) == 6, "the others are finished"


GREEDY = """
import sys, time

def take(event, arguments):
    if event == "open" and str(arguments[0]).endswith({shard!r}):
        memory = bytearray(150_000_000)
        time.sleep(3)  # where the kernel limits no memory, SLURM looks each second

sys.addaudithook(take)
"""
"""A sitecustomize.py with which a worker needs more memory for one volume than it has at first."""


def test_a_volume_that_needs_more_memory_gets_it(project: SlurmProject) -> None:
    raw = shard_path(project.results / "work" / "raw" / CHANNELS[0], 0, (0,))
    prologue = spoil_python(project, GREEDY, raw)
    project.offer(cpu={"memory": "200MiB", "job-script-prologue": prologue})  # enough for a worker and small volumes
    log = project.finish(project.workers_from("cpu", 1))
    assert "it was killed, because it used more memory than it had asked for (OUT_OF_MEMORY)" in log
    assert "its --mem was 209.7 MB; workers get 419.4 MB from now on" in log
    assert ": try 1 of 3 failed: job " in log


def test_a_gpu_worker_without_a_gpu_is_named_and_ends_the_run_if_it_is_the_last(project: SlurmProject) -> None:
    project.configure(deconvolution={"engine": "gpu"})
    log = project.fail_in(project.workers_from("gpu"))
    assert re.search(r"a worker is not used, and not replaced: job \d+ on g1: engine: gpu needs CuPy", log)
    assert re.search(r"no worker is left; job \d+ on g1, job \d+ on g1: engine: gpu needs CuPy and an NVIDIA GPU", log)


def test_a_gpu_is_asked_of_slurm_for_each_worker(project: SlurmProject) -> None:
    running = project.workers_from("gpu")
    project.wait_for("is ready")
    described = project.cluster.command("scontrol", "show", "job", str(project.worker_jobs()[0].id))
    assert "gres/gpu=1" in described or "gres:gpu:1" in described
    assert "Partition=gpu" in described
    project.finish(running)


def test_what_sbatch_refuses_is_said_before_the_first_job(project: SlurmProject) -> None:
    log = project.fail_in(project.workers_from("nowhere"))
    assert "SLURM has no partition `moon`: change `queue` in section nowhere of " in log
    assert "rule deconvolve:" not in log


def test_a_queue_without_end_is_said_with_its_reason_and_given_up(project: SlurmProject) -> None:
    for node in ("c1", "c2"):
        project.cluster.command("scontrol", "update", f"nodename={node}", "state=drain", "reason=maintenance")
    log = project.fail_in(project.workers_from("cpu"))
    assert "2 worker job(s) wait in the queue; squeue's reason: " in log
    assert "no worker of section cpu has come in 20 s (squeue's reason: " in log


def test_a_stopped_run_leaves_no_worker(project: SlurmProject) -> None:
    running = project.workers_from("cpu")
    busy(project, running)
    assert list_keys(project)
    os.kill(running.pid, signal.SIGTERM)
    project.assert_no_job_is_left(60)
    assert running.wait(60) != 0
    assert not list_keys(project)


def test_workers_whose_coordinator_was_killed_leave_by_themselves(project: SlurmProject) -> None:
    running = project.workers_from("cpu")
    busy(project, running)
    project.kill(running)
    project.assert_no_job_is_left(SECTIONS["cpu"]["death-timeout"] + 20)


def test_a_killed_run_leaves_workers_that_the_next_one_cancels(project: SlurmProject) -> None:
    project.offer(cpu={"death-timeout": 300})
    for node in ("c1", "c2"):
        project.cluster.command("scontrol", "update", f"nodename={node}", "state=drain", "reason=later")
    running = project.workers_from("cpu")
    project.wait_for("wait in the queue")
    project.kill(running)
    left = project.jobs_left()
    assert left, "pending jobs outlive a kill"
    for node in ("c1", "c2"):
        project.cluster.command("scontrol", "update", f"nodename={node}", "state=resume")
    project.finish(project.workers_from("cpu"))
    assert not list_keys(project), "those of the killed one too"
    assert {project.cluster.job(job.id).state for job in left} == {"CANCELLED"}
