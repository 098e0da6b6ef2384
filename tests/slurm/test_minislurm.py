import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.slurm.conftest import User
from tests.support import minislurm
from tests.support.minislurm import Cluster
from tests.support.minislurm_machine import kernel_limits_memory

pytestmark = pytest.mark.slurm

ROOT = Path(__file__).parents[2]


def lives(pid: int) -> bool:
    """Whether a process runs; one that has ended may stay in the list until init takes note."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def reads(pid: int, *words: str) -> bool:
    """Whether a process has this command line; it may just be ending."""
    try:
        return bool(psutil.Process(pid).cmdline() == [*words])
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(("partition", "node"), [("cpu", "c1"), ("urgent", "c1"), ("gpu", "g1")])
def test_a_job_runs_on_each_partition(slurm: Cluster, tmp_path: Path, partition: str, node: str) -> None:
    gpus = ["--gres=gpu:1"] if partition == "gpu" else []
    job = slurm.submit(
        *(f"--partition={partition}", *gpus, "--output=out.txt", "--job-name=try", "--comment=a|b c"),
        "--wrap=echo GPU $CUDA_VISIBLE_DEVICES",
        cwd=tmp_path,
    )
    ended = slurm.wait_for_end(job, 60)
    assert (ended.state, ended.node, ended.name, ended.comment) == ("COMPLETED", node, "try", "a|b c")
    assert (tmp_path / "out.txt").read_text() == ("GPU 0\n" if gpus else "GPU\n")


def test_two_gpu_jobs_get_a_gpu_each(slurm: Cluster, tmp_path: Path) -> None:
    one = ("--partition=gpu", "--gres=gpu:1", "--output=%j.txt", "--wrap=echo $CUDA_VISIBLE_DEVICES; sleep 600")
    jobs = [slurm.submit(*one, cwd=tmp_path) for _ in range(3)]
    outputs = [tmp_path / f"{job}.txt" for job in jobs]
    slurm.wait_until(lambda: all(path.exists() and path.read_text() for path in outputs[:2]), 60, "two jobs running")
    assert sorted(path.read_text() for path in outputs[:2]) == ["0\n", "1\n"]
    assert (slurm.job(jobs[2]).state, slurm.job(jobs[2]).reason) == ("PENDING", "Resources")


def test_processes_of_a_job_are_found(slurm: Cluster, tmp_path: Path) -> None:
    first = slurm.submit("--output=out.txt", "--wrap=exec sleep 601", cwd=tmp_path)
    second = slurm.submit("--output=out.txt", "--wrap=env --ignore-environment sleep 602; true", cwd=tmp_path)

    def sleeping(job: int, seconds: str) -> list[int]:
        return [pid for pid in slurm.pids_of(job) if reads(pid, "sleep", seconds)]

    pids = slurm.wait_until(lambda: sleeping(first, "601"), 60, "the first job sleeping")
    slurm.wait_until(lambda: sleeping(second, "602"), 60, "the second job sleeping")
    assert not set(slurm.pids_of(first)) & set(slurm.pids_of(second))
    assert len(slurm.steps_of(first)) == 1
    os.kill(pids[0], signal.SIGKILL)
    assert slurm.wait_for_end(first, 60).state == "FAILED"
    assert slurm.job(second).state == "RUNNING"


def test_an_urgent_job_preempts_and_requeues_another(slurm: Cluster, tmp_path: Path) -> None:
    ordinary = slurm.submit("--exclusive", "--nodes=2", "--wrap=sleep 600", cwd=tmp_path)
    slurm.wait_until(lambda: slurm.job(ordinary).state == "RUNNING", 60, "the ordinary job running")
    urgent = slurm.submit("--partition=urgent", "--wrap=true", cwd=tmp_path)
    assert slurm.wait_for_end(urgent, 60).state == "COMPLETED"
    slurm.wait_until(lambda: slurm.job(ordinary).restarts == 1, 60, "the ordinary job requeued")


def test_a_job_that_takes_too_much_memory_is_killed(slurm: Cluster, tmp_path: Path) -> None:
    code = "import time; x = bytearray(300_000_000); time.sleep(600)"
    job = slurm.submit("--mem=100", "--output=out.txt", f"--wrap={sys.executable} -c '{code}'", cwd=tmp_path)
    ended = slurm.wait_for_end(job, 60)
    output = (tmp_path / "out.txt").read_text()
    if kernel_limits_memory():
        assert ended.state == "OUT_OF_MEMORY"
        assert "oom-kill event" in output
    else:
        assert ended.state == "FAILED"
        assert "exceeded memory limit" in output


def test_an_ordinary_user_submits(slurm: Cluster, as_user: User) -> None:
    ended = as_user.run("sbatch", "--parsable", "--wrap=id --user --name; pwd")
    assert ended.returncode == 0, ended.stderr
    job = slurm.wait_for_end(int(ended.stdout), 60)
    assert (job.state, job.user) == ("COMPLETED", as_user.name)
    (written,) = as_user.folder.glob("slurm-*.out")
    assert written.read_text() == f"{as_user.name}\n{as_user.folder}\n"
    assert written.owner() == as_user.name


KILLED_RUN = """
import os, signal
from tests.support import minislurm
cluster = minislurm.Cluster(minislurm.own_folder())
cluster.start()
job = cluster.submit("--output=/dev/null", "--wrap=sleep 600")
cluster.wait_until(lambda: cluster.pids_of(job), 60, "the job running")
print(cluster.folder, *cluster.pids_of(job), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_run_left_behind_is_removed(slurm: Cluster) -> None:
    slurm.unlink()
    try:
        killed = subprocess.run(
            [sys.executable, "-c", KILLED_RUN], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        folder, *pids = killed.stdout.split()
        assert any(lives(int(pid)) for pid in pids)
        assert minislurm.answers(minislurm.LINK)
        minislurm.sweep()
        assert not any(lives(int(pid)) for pid in pids)
        assert not Path(folder).exists()
        assert not minislurm.LINK.is_symlink()
    finally:
        slurm.link()
    assert minislurm.answers(minislurm.LINK)


def test_a_site_tells_its_names(slurm: Cluster) -> None:
    """Commands that profiles/slurm tells people to type before their first run, and while it lasts."""
    assert re.search(r"^cpu\b", slurm.command("sinfo", "-s"), re.MULTILINE)
    assert slurm.command("squeue", "--me", "-o", "%i %T %j %k") == "JOBID STATE NAME COMMENT\n"
