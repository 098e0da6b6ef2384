"""Whole runs as SLURM jobs, `snakemake --profile slurm` and the head job: what clusters do to them, what is left."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lightsheet.store.paths import shard_path
from tests.support.minislurm import Cluster
from tests.support.patience import wait_until
from tests.support.project import CHANNELS, ROOT
from tests.support.slow_jobqueue import write_slow_jobqueue
from tests.support.slurm_project import SlurmProject

pytestmark = pytest.mark.slurm

PLACE = "R&D (old) O'Neill"
"""The projects' folder, as people name folders: nothing of it is for a shell or for SLURM to read."""


def check_out(project: SlurmProject) -> SlurmProject:
    """Clone this repository, as far as a run needs it, to where the acquisition and my.yaml are."""
    for name in ("Snakefile", "config", "scripts", "profiles", "envs"):
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, project.folder / name)
    (project.folder / "slurm").symlink_to((ROOT / "slurm").readlink())
    return project


@pytest.fixture
def checkout(fresh: SlurmProject) -> SlurmProject:
    """A clone with an acquisition of which nothing is done yet."""
    return check_out(fresh)


@pytest.fixture
def ingested(project: SlurmProject) -> SlurmProject:
    """A clone with the same, ingested: what is deconvolved from a head job may begin at once."""
    return check_out(project)


def hide_until_missed(project: SlurmProject) -> threading.Thread:
    """Let a record and a shard vanish when the coordinator says that they are there, as NFS does."""
    record = project.results / "records" / "result" / CHANNELS[0] / "t0001.json"
    shard = shard_path(project.results / "work" / "result" / CHANNELS[1], 0, (2,))
    log = project.results / "logs" / "consolidate.log"

    def hide() -> None:
        wait_until((project.results / "work" / "manifests" / "deconvolve.t0000.json").exists, 300, "manifest")
        for path in (record, shard):
            path.rename(path.with_name("hidden"))
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: log.exists() and "waiting for the file system" in log.read_text(), 60, "noticed")
        for path in (record, shard):
            path.with_name("hidden").rename(path)

    thread = threading.Thread(target=hide)
    thread.start()
    return thread


def test_a_run_from_the_projects_root_with_the_shipped_settings_and_its_rerun(checkout: SlurmProject) -> None:
    checkout.configure(deconvolution={"timepoints_per_job": "auto"})
    write_slow_jobqueue(checkout.folder / "jobqueue.yaml", 2.0)
    hiding = hide_until_missed(checkout)
    log = checkout.finish(checkout.launch("--profile", "slurm"), seconds=400)
    hiding.join()
    assert (
        "waiting for the file system to show what another node wrote"
        in (checkout.results / "logs" / "consolidate.log").read_text()
    )
    jobs = [job for job in checkout.cluster.jobs() if job.name.startswith(checkout.label)]
    assert {job.state for job in jobs} == {"COMPLETED"}, "a job had to be cancelled, or failed"
    assert {job.comment.split("_wildcards")[0] for job in jobs} >= {
        "rule_ingest",
        "rule_deconvolve",
        "rule_consolidate",
    }
    assert "worker job(s) submitted" in (checkout.results / "logs" / "deconvolve.t0000.log").read_text()
    assert list((checkout.results / "logs" / "slurm").rglob("*.log")), "SLURM's logs are kept"
    assert "Traceback" not in log
    before = {job.id for job in checkout.cluster.jobs()}
    assert "Nothing to be done" in checkout.finish(checkout.launch("--profile", "slurm"))
    assert {job.id for job in checkout.cluster.jobs()} == before
    assert list(checkout.folder.glob("slurm-*.out")) == []


def coordinator(project: SlurmProject) -> int:
    """Wait until the coordinator has done a volume, and return its job."""
    project.cluster.wait_until(lambda: len(project.done()) > 0, 240, "a volume done")
    return next(job.id for job in project.cluster.jobs(state="RUNNING") if job.comment.startswith("rule_deconvolve"))


def freeze_workers(project: SlurmProject) -> list[int]:
    """Stop the workers' processes, so that the run does not end before it is disturbed; return their jobs."""
    workers = [job.id for job in project.worker_jobs()]
    for worker in workers:
        project.cluster.signal(worker, signal.SIGSTOP)
    return workers


@pytest.fixture
def users_profile(project: SlurmProject, tmp_path: Path) -> SlurmProject:
    """The profile copied to the user's own configuration of Snakemake, and changed there."""
    place = tmp_path / "config" / "snakemake" / "site"
    shutil.copytree(ROOT / "profiles" / "slurm", place)
    text = (place / "jobqueue.yaml").read_text()
    (place / "jobqueue.yaml").write_text(
        text.replace("memory: null", "memory: 700MiB").replace("cores: null", "cores: 2")
    )
    project.variables = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    return project


def stop(project: SlurmProject, running: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Stop Snakemake while its coordinator works: no job is left a minute later."""
    os.kill(running.pid, number)
    project.assert_no_job_is_left(60)
    assert running.wait(60) != 0
    assert "Traceback" not in project.log


def test_an_interrupted_run_with_the_users_own_profile_leaves_no_job(users_profile: SlurmProject) -> None:
    running = users_profile.launch("consolidate", "--profile", "site")
    coordinator(users_profile)
    described = users_profile.cluster.command("scontrol", "show", "job", str(users_profile.worker_jobs()[0].id))
    assert "CPUs/Task=2" in described, "not the jobqueue.yaml beside the profile in use"
    stop(users_profile, running, signal.SIGINT)
    done = {path: path.read_text() for path in users_profile.done()}
    users_profile.finish(users_profile.launch("consolidate"))
    assert all(path.read_text() == text for path, text in done.items()), "a finished volume was done again"


def test_a_terminated_run_leaves_no_job(project: SlurmProject) -> None:
    running = project.with_profile()
    coordinator(project)
    stop(project, running, signal.SIGTERM)


def test_the_same_command_goes_on_after_a_kill(project: SlurmProject) -> None:
    running = project.with_profile()
    job = coordinator(project)
    freeze_workers(project)
    project.kill(running)
    assert project.jobs_left(), "a kill leaves jobs"
    project.finish(project.with_profile())
    # by the new run, or by itself when it noticed that its run is dead
    assert project.cluster.job(job).state in ("CANCELLED", "FAILED"), "it would have gone on beside"


def test_a_coordinator_is_requeued_and_then_killed(project: SlurmProject) -> None:
    running = project.with_profile()
    job = coordinator(project)
    done = {path: path.read_text() for path in project.done()}
    project.cluster.command("scontrol", "requeue", str(job))
    project.cluster.wait_until(lambda: project.cluster.job(job).restarts == 1, 120, "requeued")
    project.cluster.wait_until(lambda: project.cluster.job(job).state == "RUNNING", 120, "running again")
    project.cluster.wait_until(lambda: project.cluster.pids_of(job), 60, "its processes")
    project.cluster.signal(job, signal.SIGKILL)
    log = project.finish(running, seconds=400)
    assert "deconvolve: SLURM job " in log
    (job_log,) = (project.results / "logs" / "slurm").rglob(f"{job}.log")
    assert "interrupted; what was finished is kept" in job_log.read_text(), "what it said before it was requeued"
    assert all(path.read_text() == text for path, text in done.items()), "a finished volume was done again"


def test_a_preempted_coordinator_goes_back_into_the_queue_and_goes_on(project: SlurmProject) -> None:
    running = project.with_profile()
    job = coordinator(project)
    freeze_workers(project)
    node = project.cluster.job(job).node
    urgent = project.cluster.submit("--partition=urgent", f"--nodelist={node}", "--exclusive", "--wrap=sleep 2")
    project.finish(running, seconds=400)
    assert project.cluster.job(urgent).state == "COMPLETED"
    assert (project.cluster.job(job).restarts, project.cluster.job(job).state) == (1, "COMPLETED")


def test_a_coordinator_at_its_time_limit_ends_its_workers_and_the_next_one_goes_on(project: SlurmProject) -> None:
    running = project.with_profile()
    job = coordinator(project)
    workers = freeze_workers(project)
    project.cluster.command("scontrol", "update", f"jobid={job}", "endtime=now+1")
    assert project.cluster.wait_for_end(job, 180).state == "TIMEOUT"
    project.cluster.wait_until(
        lambda: all(project.cluster.job(worker).state not in ("RUNNING", "PENDING") for worker in workers), 20, "gone"
    )
    project.finish(running, seconds=400)


def test_a_coordinator_near_its_time_limit_goes_back_into_the_queue_without_a_retry(project: SlurmProject) -> None:
    project.variables["SLOW_WORKER_SECONDS"] = "7"  # six volumes on one worker: longer than half a minute
    options = ("--set-resources", "deconvolve:runtime=1", "deconvolve:dask_workers=1", "--retries", "0")
    running = project.with_profile(*options)
    job = coordinator(project)
    log = project.finish(running, seconds=400)
    assert (project.cluster.job(job).restarts, project.cluster.job(job).state) == (1, "COMPLETED")
    assert "of 6 volumes" in log, "the terminal says how far it is"


def test_what_slurm_can_never_run_ends_a_run_before_its_first_job(project: SlurmProject) -> None:
    project.offer(cpu={"cores": 9})
    log = project.fail_in(project.with_profile("--set-resources", "deconvolve:slurm_partition=moon"), seconds=60)
    profile = ROOT / "profiles" / "slurm" / "config.yaml"
    assert f"SLURM has no partition `moon`: change `slurm_partition` in {profile} or on the command line" in log
    size = "a job that wants 9 cores can never start, as the largest node of partition `cpu` has 8 cores"
    section = f"section cpu of {project.folder / 'jobqueue.yaml'}"
    assert f"{size}: change `cores` in {section} (workers)" in log
    assert log.count("`moon`") == 1
    assert [job for job in project.cluster.jobs() if job.name.startswith(project.label)] == []


def head(project: SlurmProject, *options: str) -> int:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**project.environment, "PATH": path}
    arguments = ["sbatch", "--parsable", "--mem=2G", "profiles/slurm/head.sbatch", *options, "--configfile", "my.yaml"]
    ended = subprocess.run(arguments, cwd=project.folder, env=environment, capture_output=True, text=True, check=True)
    return int(ended.stdout)


def test_the_head_job_continues_after_its_time_limit(ingested: SlurmProject) -> None:
    job = head(ingested, "--set-resources", "deconvolve:dask_workers=2")
    coordinator(ingested)
    freeze_workers(ingested)  # the run must last until a second command has started
    refusal = ingested.fail()  # on the login node
    assert "another run works in this results folder" in refusal
    assert f"SLURM job {job}" in refusal
    ingested.cluster.command("scancel", "--batch", "--signal=USR1", str(job))
    ingested.cluster.wait_until(lambda: ingested.cluster.job(job).restarts == 1, 120, "requeued")
    assert ingested.cluster.wait_for_end(job, 400).state == "COMPLETED"
    assert ingested.digests() == ingested.undisturbed
    ingested.assert_no_job_is_left(20)


def test_a_cancelled_head_job_leaves_nothing(ingested: SlurmProject) -> None:
    job = head(ingested)
    coordinator(ingested)
    ingested.cluster.command("scancel", str(job))
    ingested.assert_no_job_is_left(60)
    assert ingested.cluster.wait_for_end(job, 30).state == "CANCELLED"


def test_volumes_inside_the_job_itself_with_a_gpu_that_snakemake_asks_for(project: SlurmProject) -> None:
    where = ["dask_cluster=local", "dask_workers=1", "gres=gpu:1", "slurm_partition=gpu"]
    resources = [f"deconvolve:{resource}" for resource in where]
    running = project.with_profile("--set-resources", *resources)
    job = coordinator(project)
    described = project.cluster.command("scontrol", "show", "job", str(job))
    assert "gres/gpu=1" in described or "gres:gpu:1" in described
    assert project.worker_jobs() == [], "no job submits another"
    project.finish(running)


def test_a_run_that_fails_ends_with_a_triage_and_goes_on_under_a_limit_of_the_account(
    slurm_with_accounting: Cluster, project: SlurmProject
) -> None:
    project.cluster = slurm_with_accounting
    log = project.fail_in(project.with_profile("--set-resources", "deconvolve:slurm_account=nobodys"), seconds=60)
    assert "SLURM takes no jobs of account `nobodys` from you here: change `slurm_account` in " in log
    assert "; yours: root (rule deconvolve, workers)" in log
    assert log.count("`nobodys`") == 1
    project.offer(cpu={"job-script-prologue": ["exit 3"]})
    log = project.fail_in(project.with_profile("--retries", "0"))
    assert "deconvolve block=t0000: SLURM job" in log
    assert "its log says: no worker is left; job " in log
    assert "it ended with an error (FAILED), before it could take a volume; log: " in log
    assert "the same command goes on from here" in log
    slurm_with_accounting.limit(MaxJobs=2)
    project.configure(deconvolution={"timepoints_per_job": 2})  # two coordinators would leave no job for workers
    project.offer()
    project.finish(project.with_profile(), seconds=400)
    remembered = slurm_with_accounting.command("sacct", "-n", "-P", "-X", "--format=State,ExitCode").splitlines()
    assert any(line.startswith("FAILED|") for line in remembered), remembered
