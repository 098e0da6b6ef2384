"""A real SLURM on this one machine, on loopback, for tests and for trying things as root on Debian or Ubuntu.

`python -m tests.support.minislurm up DIR` starts one, `... down DIR` stops it. All its files lie in DIR, but for the
link /etc/slurm/slurm.conf: Snakemake's job steps drop SLURM_CONF, so that the configuration must lie where SLURM looks.
"""

import contextlib
import ctypes
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import psutil

from tests.support.minislurm_daemons import OTHER_USER, Daemons, Shape
from tests.support.minislurm_machine import (
    answers,
    install,
    is_step,
    kill_all,
    list_descendants,
    list_marked,
    read_name,
    wait_for_turn,
)
from tests.support.patience import wait_until

T = TypeVar("T")

LINK = Path("/etc/slurm/slurm.conf")
FINISHED = {
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"),
    *("REVOKED", "TIMEOUT"),
}
# Program and Debian package that brings it.
PACKAGES = {"slurmctld": "slurm-wlm", "slurmd": "slurm-wlm", "sbatch": "slurm-wlm", "munged": "munge"}
ACCOUNTING_PACKAGES = {"slurmdbd": "slurmdbd", "mariadbd": "mariadb-server"}


@dataclass(frozen=True)
class Job:
    """A job as `squeue` shows it; `node` is empty until it has one."""

    id: int
    state: str
    reason: str
    partition: str
    user: str
    node: str
    cpus: int
    restarts: int
    name: str
    comment: str


@dataclass(frozen=True)
class Cluster(Daemons):
    """Nodes c1, c2, ... in partitions `cpu` (the default) and `urgent` (preempts), g1 with two fake GPUs in `gpu`."""

    # Start and stop

    def start(self, accounting: bool = False, nodes: int = 2, cpus: int = 8, memory: int = 8000) -> None:
        """Install SLURM if it is missing, start a new cluster, and wait until its nodes are idle.

        With `accounting`, `sacct` works too, and limits do (a MariaDB and slurmdbd are started). So many `nodes` has
        partition `cpu`, each with these CPUs and this memory in MB, whatever this machine has.
        """
        install({**PACKAGES, **(ACCOUNTING_PACKAGES if accounting else {})})
        if self.folder.exists() and any(self.folder.iterdir()) and not self.conf.exists():
            raise RuntimeError(f"{self.folder} is not empty and holds no cluster: name another folder")
        if self.list_processes():
            raise RuntimeError(f"the cluster in {self.folder} runs already")
        self.link()
        try:
            self.start_daemons(accounting, Shape(nodes, cpus, memory))
        except BaseException as error:
            error.add_note(self.read_log_ends())
            self.stop()
            raise

    def stop(self) -> None:
        """Cancel all jobs, end every process of this cluster, and remove the link to it."""
        if answers(self.conf):
            with contextlib.suppress(TimeoutError):  # what cannot be cancelled is killed below
                self.cancel_all(seconds=10)
        self.end_daemons()
        self.unlink()

    def link(self) -> None:
        """Make this the cluster that SLURM's commands find by default."""
        if LINK.is_symlink() and not self._is_linked() and answers(LINK):
            raise RuntimeError(f"another SLURM runs, that of {LINK.readlink()}: stop it first")
        LINK.parent.mkdir(parents=True, exist_ok=True)
        LINK.unlink(missing_ok=True)
        LINK.symlink_to(self.conf)

    def unlink(self) -> None:
        if self._is_linked():
            LINK.unlink()

    # What a test does with it

    def submit(self, *arguments: str | Path, cwd: Path | None = None) -> int:
        """Run `sbatch` and return the job's id; without a folder, its output lies beside the cluster's logs."""
        return int(self.command("sbatch", "--parsable", *arguments, cwd=cwd or self.folder / "log"))

    def occupy(self, node: str, cpus: int, seconds: int = 3600) -> int:
        """Submit a job of another user, which takes so many CPUs of a node; return its id."""
        user = ("--uid", OTHER_USER, "--gid", str(pwd.getpwnam(OTHER_USER).pw_gid), "--output=/dev/null")
        return self.submit(*user, f"--nodelist={node}", f"--cpus-per-task={cpus}", f"--wrap=sleep {seconds}")

    def limit(self, **limits: int | str) -> None:
        """Set limits of our user, such as MaxJobs=2 or GrpTRES="cpu=4"; where there is accounting."""
        words = [f"{name}={value}" for name, value in limits.items()]
        self.command("sacctmgr", "-i", "modify", "user", "root", "set", *words)

    def jobs(self, **wanted: Any) -> list[Job]:
        """List the jobs of the last five minutes, of those the ones with these values, like `state="RUNNING"`."""
        columns = "JobID:|,State:|,Reason:|,Partition:|,UserName:|,NodeList:|,NumCPUs:|,RestartCnt:|,Name:|,Comment:|"
        lines = self.command("squeue", "--noheader", "--states=all", f"--Format={columns}").splitlines()
        jobs = [_job(line) for line in lines]
        return [job for job in jobs if all(getattr(job, key) == value for key, value in wanted.items())]

    def job(self, job_id: int) -> Job:
        (job,) = self.jobs(id=job_id)
        return job

    def queued(self) -> list[Job]:
        """List the jobs that are not finished."""
        return [job for job in self.jobs() if job.state not in FINISHED]

    def wait_until(self, condition: Callable[[], T], seconds: float, what: str) -> T:
        """Wait as the function `wait_until` does; the message of its failure shows the jobs."""
        try:
            return wait_until(condition, seconds, what)
        except TimeoutError as error:
            jobs = "\n".join(map(str, self.jobs())) or "no jobs"
            raise TimeoutError(f"{error}\n{jobs}") from None

    def wait_for_end(self, job_id: int, seconds: float) -> Job:
        """Wait until a job is finished, and return it."""
        self.wait_until(lambda: self.job(job_id).state in FINISHED, seconds, f"job {job_id} finished")
        return self.job(job_id)

    def cancel_all(self, seconds: float = 30) -> None:
        """Cancel all jobs and wait until none is left, also of those that a running job submits meanwhile."""

        def cancel() -> bool:
            queued = [str(job.id) for job in self.queued()]
            if queued:
                self.works("scancel", "--quiet", *queued)
            return not queued

        self.wait_until(cancel, seconds, "all jobs cancelled")

    def kill_leftovers(self) -> None:
        """Kill what ended jobs left running, which a cluster without cgroups does not do."""
        kill_all(self.job_processes, "what jobs left running")

    def job_processes(self) -> list[psutil.Process]:
        """List the processes that jobs have started, also of those that have ended."""
        return list_marked(f"SLURM_CLUSTER_NAME={self.name}")

    def crash(self, node: str) -> None:
        """Kill a node's slurmd, its job steps and all their processes, as a power cut would."""
        kill_all(lambda: self.list_processes(node), f"what ran on {node}")

    def revive(self, node: str) -> None:
        """Start a node's slurmd if it does not run, and wait until the node takes jobs."""
        if not self._slurmd(node):
            self.start_node(node)
        self.wait_for_nodes([node])

    def revive_all(self) -> None:
        """Revive each node that has crashed or takes no jobs."""
        usable = self.list_usable_nodes()
        for node in self.nodes:
            if node not in usable or not self._slurmd(node):
                self.revive(node)

    def steps_of(self, job_id: int) -> list[int]:
        """List the ids of the slurmstepd processes of a job: one for each step that runs."""
        return [process.pid for process in self._steps(job_id)]

    def pids_of(self, job_id: int) -> list[int]:
        """List the ids of the processes that a job itself started, oldest first."""
        started = list_marked(f"SLURM_CLUSTER_NAME={self.name}", f"SLURM_JOB_ID={job_id}")
        processes = {*started, *list_descendants(self._steps(job_id))}
        ages = {}
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):  # it has ended meanwhile
                ages[process.pid] = process.create_time()
        return sorted(ages, key=lambda pid: (ages[pid], pid))

    def signal(self, job_id: int, number: int) -> None:
        """Send a signal to every process of a job, behind SLURM's back."""
        for pid in self.pids_of(job_id):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _is_linked(self) -> bool:
        return LINK.is_symlink() and LINK.readlink() == self.conf

    def _slurmd(self, node: str) -> list[psutil.Process]:
        return [process for process in self.list_processes(node) if read_name(process) == "slurmd"]

    def _steps(self, job_id: int) -> list[psutil.Process]:
        return [process for process in self.list_processes() if is_step(process, job_id)]


def why_not() -> str | None:
    """Say why no SLURM may be started here, if so."""
    if os.geteuid() != 0:
        return "only root can start a SLURM of its own"
    if LINK.exists() and not (LINK.is_symlink() and re.search("^ClusterName=mini", LINK.read_text(), re.MULTILINE)):
        return "this machine has a SLURM of its own"
    return None


def hide_link() -> None:
    """Give this process, and all that it starts, an /etc/slurm of their own: other clusters can run beside theirs."""
    clone_newns = 0x20000
    if ctypes.CDLL(None, use_errno=True).unshare(clone_newns):
        raise OSError(ctypes.get_errno(), "no mount namespace of its own")
    LINK.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(LINK.parent)], check=True)


def own_folder() -> Path:
    """Make a folder for a cluster that ends with this process; every user can look into it."""
    return Path(tempfile.mkdtemp(prefix=f"lightsheet-slurm-{os.getpid()}-"))


def sweep() -> None:
    """Stop clusters, and remove their folders, that processes which ended before their time left behind."""
    with wait_for_turn("sweep"):
        for folder in Path(tempfile.gettempdir()).glob("lightsheet-slurm-*-*"):
            if not _is_in_use(folder):
                Cluster(folder).stop()
                shutil.rmtree(folder, ignore_errors=True)  # a daemon may just be removing its own files


def _is_in_use(folder: Path) -> bool:
    """Tell whether the process lives that made a cluster's folder, which it may just be making anew, or removing."""
    try:
        # A process younger than the folder only has the same number.
        return psutil.Process(int(folder.name.split("-")[2])).create_time() < folder.stat().st_mtime
    except FileNotFoundError:
        return True
    except psutil.NoSuchProcess:
        return False


def _job(line: str) -> Job:
    """Take a line of squeue apart, where the comment, last, may hold anything."""
    values = line.removesuffix("|").split("|", len(fields(Job)) - 1)
    return Job(*(f.type("" if v in ("(null)", "None") else v) for f, v in zip(fields(Job), values, strict=True)))


def main() -> None:
    """Start or stop a cluster from the command line."""
    if len(sys.argv) != 3 or sys.argv[1] not in ("up", "down"):
        sys.exit(f"usage: {sys.argv[0]} up|down DIR")
    cluster = Cluster(Path(sys.argv[2]).resolve())
    if sys.argv[1] == "down":
        cluster.stop()
    elif reason := why_not():
        sys.exit(reason)
    else:
        try:
            cluster.start()
        except RuntimeError as error:
            sys.exit(str(error))
        print(cluster.command("sinfo"), end="")


if __name__ == "__main__":
    main()
