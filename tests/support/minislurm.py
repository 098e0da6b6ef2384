"""A real SLURM on this one machine, on loopback, for tests and for trying things as root on Debian or Ubuntu.

`python tests/support/minislurm.py up DIR` starts one, `... down DIR` stops it. All its files lie in DIR, but for the
link /etc/slurm/slurm.conf: Snakemake's job steps drop SLURM_CONF, so that the configuration must lie where SLURM looks.
"""

import contextlib
import ctypes
import hashlib
import os
import random
import re
import secrets
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import psutil

T = TypeVar("T")

HERE = Path(__file__).parent
LINK = Path("/etc/slurm/slurm.conf")
PORTS = range(18000, 20000, 10)
NODES = ("c1", "c2", "g1")
GPUS = 2
FINISHED = {
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"),
    *("REVOKED", "TIMEOUT"),
}
# Program and Debian package that brings it.
PACKAGES = {"slurmctld": "slurm-wlm", "slurmd": "slurm-wlm", "sbatch": "slurm-wlm", "munged": "munge"}
ACCOUNTING_PACKAGES = {"slurmdbd": "slurmdbd", "mariadbd": "mariadb-server"}

# Of slurm.conf, with accounting.
STORAGE = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={dbd_port}
AccountingStoragePass={folder}/munge/socket
AccountingStorageTRES=gres/gpu
AccountingStorageEnforce=associations,limits
"""
# How a job that takes more memory than it asked for ends: the kernel kills it, and it is OUT_OF_MEMORY, as on most
# clusters; or, where memory cannot be limited, SLURM looks each second and kills it, and it is FAILED.
MEMORY_CGROUPS = Path("/sys/fs/cgroup/memory")
KILLED_BY_KERNEL = "TaskPlugin=task/cgroup\n"
KILLED_BY_SLURM = "JobAcctGatherParams=OverMemoryKill\n"
CGROUP_CONF = "CgroupPlugin=cgroup/v1\nCgroupAutomount=no\nConstrainRAMSpace=yes\n"
GRANT = """\
CREATE USER slurm@'127.0.0.1' IDENTIFIED BY 'slurm';
GRANT ALL ON slurm_acct_db.* TO slurm@'127.0.0.1';
"""


@dataclass(frozen=True)
class Job:
    """A job as `squeue` shows it; `node` is empty until it has one."""

    id: int
    state: str
    reason: str
    partition: str
    user: str
    node: str
    restarts: int
    name: str
    comment: str


@dataclass(frozen=True)
class Cluster:
    """Nodes c1 and c2 in partitions `cpu` (the default) and `urgent` (preempts), g1 with two fake GPUs in `gpu`."""

    folder: Path

    @property
    def conf(self) -> Path:
        return self.folder / "etc" / "slurm.conf"

    @property
    def name(self) -> str:
        """Differs from every other cluster's on this machine: it tells whose job a process belongs to."""
        return "mini" + hashlib.sha256(str(self.folder).encode()).hexdigest()[:8]

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment, without the settings of a job that it may run in."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("SLURM", "SBATCH_"))}
        return {**kept, "SLURM_CONF": str(self.conf)}

    # Start and stop

    def start(self, accounting: bool = False) -> None:
        """Install SLURM if it is missing, start a new cluster, and wait until its nodes are idle.

        With `accounting`, `sacct` works too (a MariaDB and slurmdbd are started).
        """
        install({**PACKAGES, **(ACCOUNTING_PACKAGES if accounting else {})})
        if self.folder.exists() and any(self.folder.iterdir()) and not self.conf.exists():
            raise RuntimeError(f"{self.folder} is not empty and holds no cluster: name another folder")
        if self._processes():
            raise RuntimeError(f"the cluster in {self.folder} runs already")
        self.link()
        try:
            self._start_daemons(accounting)
        except BaseException as error:
            error.add_note(self._log_ends())
            self.stop()
            raise

    def stop(self) -> None:
        """Cancel all jobs, end every process of this cluster, and remove the link to it."""
        if answers(self.conf):
            with contextlib.suppress(TimeoutError):  # what cannot be cancelled is killed below
                self.cancel_all(seconds=10)
        self._kill_all(self._processes)
        self.unlink()
        for node in NODES:  # the kernel refuses to remove what another cluster uses
            for cgroup, _, _ in os.walk(MEMORY_CGROUPS / f"slurm_{node}", topdown=False):
                with contextlib.suppress(OSError):
                    Path(cgroup).rmdir()

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

    def command(self, *arguments: str | Path, cwd: Path | None = None) -> str:
        """Run one of SLURM's commands and return its output."""
        ended = subprocess.run(
            arguments, env=self.environment, cwd=cwd, capture_output=True, text=True, timeout=30, check=False
        )
        if ended.returncode:
            raise RuntimeError(f"{' '.join(map(str, arguments))}: {ended.stderr or ended.stdout}")
        return ended.stdout

    def submit(self, *arguments: str | Path, cwd: Path | None = None) -> int:
        """Run `sbatch` and return the job's id; without a folder, its output lies beside the cluster's logs."""
        return int(self.command("sbatch", "--parsable", *arguments, cwd=cwd or self.folder / "log"))

    def jobs(self, **wanted: Any) -> list[Job]:
        """List the jobs of the last five minutes, of those the ones with these values, like `state="RUNNING"`."""
        columns = "JobID:|,State:|,Reason:|,Partition:|,UserName:|,NodeList:|,RestartCnt:|,Name:|,Comment:|"
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
                self._works("scancel", "--quiet", *queued)
            return not queued

        self.wait_until(cancel, seconds, "all jobs cancelled")

    def kill_leftovers(self) -> None:
        """Kill what ended jobs left running, which a cluster without cgroups does not do."""
        self._kill_all(self.job_processes)

    def job_processes(self) -> list[psutil.Process]:
        """List the processes that jobs have started, also of those that have ended."""
        return _marked(f"SLURM_CLUSTER_NAME={self.name}")

    def crash(self, node: str) -> None:
        """Kill a node's slurmd, its job steps and all their processes, as a power cut would."""
        self._kill_all(lambda: self._processes(node))

    def revive(self, node: str) -> None:
        """Start a node's slurmd if it does not run, and wait until the node takes jobs."""
        if not self._slurmd(node):
            self._start_node(node)
        self._wait_for_nodes([node])

    def revive_all(self) -> None:
        """Revive each node that has crashed or takes no jobs."""
        usable = self._usable_nodes()
        for node in NODES:
            if node not in usable or not self._slurmd(node):
                self.revive(node)

    def steps_of(self, job_id: int) -> list[int]:
        """List the ids of the slurmstepd processes of a job: one for each step that runs."""
        return [process.pid for process in self._steps(job_id)]

    def pids_of(self, job_id: int) -> list[int]:
        """List the ids of the processes that a job itself started, oldest first."""
        marked = _marked(f"SLURM_CLUSTER_NAME={self.name}", f"SLURM_JOB_ID={job_id}")
        found = {*marked, *_descendants(self._steps(job_id))}
        return [process.pid for process in sorted(found, key=lambda process: (process.create_time(), process.pid))]

    def signal(self, job_id: int, number: int) -> None:
        """Send a signal to every process of a job, behind SLURM's back."""
        for pid in self.pids_of(job_id):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    # Parts

    def _start_daemons(self, accounting: bool) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        port = self._configure(accounting)
        self._launch("munged", *self._munged_options())
        wait_until(lambda: self._works("munge", "-n", "-S", self.folder / "munge" / "socket"), 10, "munged answering")
        if accounting:
            self._start_accounting(sql_port=port + 2)
        self._launch("slurmctld", "-D", "-f", self.conf)
        for node in NODES:
            self._start_node(node)
        wait_until(lambda: answers(self.conf), 20, "slurmctld answering")
        self._wait_for_nodes(NODES)

    def _is_linked(self) -> bool:
        return LINK.is_symlink() and LINK.readlink() == self.conf

    def _configure(self, accounting: bool) -> int:
        """Write all that the daemons read, and return the first of the ports."""
        for part in ("etc", "log", "munge", "spool", "state", "devices"):
            (self.folder / part).mkdir(parents=True)
        # Every user must reach the configuration and munge's socket.
        for folder in (self.folder, self.conf.parent, self.folder / "munge", self.folder / "log"):
            folder.chmod(0o755)
        port = free_ports(6)
        values = {
            **{"name": self.name, "folder": self.folder, "host": socket.gethostname().split(".")[0], "gpus": GPUS},
            **{"port": port, "dbd_port": port + 1, "sql_port": port + 2},
            **{f"{node}_port": port + 3 + i for i, node in enumerate(NODES)},
            # Clusters that run at once number their jobs differently: the kernel's memory limits are named by them.
            "first_job_id": 1 + (port - PORTS.start) * 1000,
        }
        template = (HERE / "slurm.conf").read_text()
        template += KILLED_BY_KERNEL if kernel_limits_memory() else KILLED_BY_SLURM
        template += STORAGE if accounting else ""
        self._write("slurm.conf", template.format(**values), 0o644)
        self._write("cgroup.conf", CGROUP_CONF, 0o644)
        self._write("gres.conf", f"NodeName=g1 Name=gpu File={self.folder}/devices/nvidia[0-{GPUS - 1}]\n", 0o644)
        for gpu in range(GPUS):  # a null device of our own by the name that SLURM expects, never a real GPU
            os.mknod(self.folder / "devices" / f"nvidia{gpu}", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        if accounting:
            self._write("slurmdbd.conf", (HERE / "slurmdbd.conf").read_text().format(**values), 0o600)
            self._write("grant.sql", GRANT, 0o644)
        self._write("munge.key", secrets.token_hex(64), 0o400)
        return port

    def _write(self, name: str, text: str, mode: int) -> None:
        path = self.conf.with_name(name)
        path.touch(mode=0o600)
        path.write_text(text)
        path.chmod(mode)

    def _munged_options(self) -> list[str]:
        munge = self.folder / "munge"
        return [
            *("--foreground", "--force", f"--key-file={self.folder}/etc/munge.key", f"--socket={munge}/socket"),
            *(f"--pid-file={munge}/pid", f"--seed-file={munge}/seed", f"--log-file={self.folder}/log/munged.log"),
        ]

    def _start_accounting(self, sql_port: int) -> None:
        data = self.folder / "sql"
        data.mkdir()
        shutil.chown(data, "mysql", "mysql")
        common = ("--no-defaults", "--user=mysql", f"--datadir={data}")
        self.command("mariadb-install-db", *common, "--skip-test-db")
        self._launch(
            *("mariadbd", *common, "--bind-address=127.0.0.1", f"--port={sql_port}"),
            *(f"--socket={data}/socket", f"--pid-file={data}/pid", f"--init-file={self.folder}/etc/grant.sql"),
            *("--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0", "--innodb-lock-wait-timeout=900"),
        )
        client = ("mariadb", "--no-defaults", "-h127.0.0.1", f"-P{sql_port}", "-uslurm", "-pslurm", "-eSELECT 1")
        wait_until(lambda: self._works(*client), 30, "MariaDB answering")
        self._launch("slurmdbd", "-D")
        wait_until(lambda: self._works("sacctmgr", "-i", "list", "cluster"), 30, "slurmdbd answering")
        self.command("sacctmgr", "-i", "add", "cluster", self.name)

    def _start_node(self, node: str) -> None:
        self._launch("slurmd", "-D", "-N", node, "-f", self.conf, node=node)

    def _launch(self, *command: str | Path, node: str = "") -> None:
        """Start a daemon as a child of init, marked by its environment, which its own children inherit."""
        environment = {**self.environment, "MINISLURM": str(self.folder), "MINISLURM_NODE": node}
        with (self.folder / "log" / f"{command[0]}{node}.out").open("ab") as log:
            subprocess.run(
                ["setsid", "--fork", *command],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=True,
            )

    def _works(self, *command: str | Path) -> bool:
        try:
            self.command(*command)
        except (RuntimeError, subprocess.TimeoutExpired):
            return False
        return True

    def _usable_nodes(self) -> set[str]:
        states = [line.split() for line in self.command("sinfo", "-h", "-N", "-o", "%N %T").splitlines()]
        unusable = ("down", "drain", "fail", "unk")
        # A star says that the node does not answer.
        return {node for node, state in states if not (state.startswith(unusable) or state.endswith("*"))}

    def _wait_for_nodes(self, nodes: Iterable[str]) -> None:
        def ready() -> bool:
            missing = set(nodes) - self._usable_nodes()
            for node in missing:  # a drained node stays so until it is resumed
                self._works("scontrol", "update", f"nodename={node}", "state=resume")
            return not missing

        wait_until(ready, 20, f"nodes {', '.join(nodes)} taking jobs")

    def _processes(self, node: str = "") -> list[psutil.Process]:
        """List the processes of the cluster or of one of its nodes, daemons first, then job steps, then the jobs'."""
        daemons = _marked(f"MINISLURM={self.folder}", *([f"MINISLURM_NODE={node}"] if node else []))
        jobs = _marked(f"SLURM_CLUSTER_NAME={self.name}", *([f"SLURMD_NODENAME={node}"] if node else []))
        daemons.sort(key=_is_step)
        return list(dict.fromkeys([*daemons, *_descendants(daemons), *jobs]))

    def _slurmd(self, node: str) -> list[psutil.Process]:
        return [process for process in self._processes(node) if process.name() == "slurmd"]

    def _steps(self, job_id: int) -> list[psutil.Process]:
        return [process for process in self._processes() if _is_step(process, job_id)]

    def _kill_all(self, processes: Callable[[], list[psutil.Process]]) -> None:
        """Kill until none is left, as one may start another meanwhile."""

        def kill() -> bool:
            doomed = processes()
            for process in doomed:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            return not doomed

        wait_until(kill, 20, f"the processes of {self.folder} ended")

    def _log_ends(self) -> str:
        logs = sorted((self.folder / "log").glob("*"))
        return "\n".join(f"== {log}\n{log.read_text(errors='replace')[-1000:]}" for log in logs)


def wait_until(condition: Callable[[], T], seconds: float, what: str) -> T:
    """Wait until a condition holds, and return what it returned.

    Raises
    ------
    TimeoutError
        If it does not hold after `seconds`; says `what` was waited for.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s in vain for: {what}")
        time.sleep(0.05)
    return value


def install(packages: dict[str, str]) -> None:
    """Install the Debian packages of the programs that are missing."""
    missing = sorted({package for program, package in packages.items() if not shutil.which(program)})
    if not missing:
        return
    apt = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "install", "--yes", "--no-install-recommends", *missing]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (apt, ["apt-get", "update"], apt):
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if ended.returncode == 0 and command is apt:
            return
    raise RuntimeError(f"{' '.join(apt)} failed: {ended.stderr[-2000:]}")


def free_ports(count: int) -> int:
    """Return the first of `count` successive ports that nobody listens on."""
    for first in random.sample(PORTS, len(PORTS)):  # another cluster may just be looking for some as well
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(first, first + count):
                tried = stack.enter_context(socket.socket())
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tried.bind(("", port))
            return first
    raise RuntimeError(f"no free ports between {PORTS.start} and {PORTS.stop}")


def kernel_limits_memory() -> bool:
    """Whether jobs that take too much memory end as OUT_OF_MEMORY, rather than FAILED."""
    return MEMORY_CGROUPS.is_mount() and os.access(MEMORY_CGROUPS, os.W_OK)


def answers(conf: Path) -> bool:
    """Whether a SLURM with this configuration runs; scontrol would wait a minute for a file that is missing."""
    environment = {**os.environ, "SLURM_CONF": str(conf)}
    ping = ["scontrol", "ping"]
    return conf.exists() and subprocess.run(ping, env=environment, capture_output=True, check=False).returncode == 0


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
    for folder in Path(tempfile.gettempdir()).glob("lightsheet-slurm-*-*"):
        pid = int(folder.name.split("-")[2])
        try:
            # A process younger than the folder only has the same number.
            alive = psutil.Process(pid).create_time() < folder.stat().st_mtime
        except psutil.NoSuchProcess:
            alive = False
        if not alive:
            Cluster(folder).stop()
            shutil.rmtree(folder, ignore_errors=True)  # a daemon may just be removing its own files


def _job(line: str) -> Job:
    """Take a line of squeue apart, where the comment, last, may hold anything."""
    values = line.removesuffix("|").split("|", len(fields(Job)) - 1)
    return Job(*(f.type("" if v in ("(null)", "None") else v) for f, v in zip(fields(Job), values, strict=True)))


def _marked(*marks: str) -> list[psutil.Process]:
    """List the processes whose environment has all these settings, written KEY=VALUE."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError):  # it has ended
            # psutil reads no further than to the hole that slurmstepd makes in its environment with its title.
            environment = Path(f"/proc/{process.pid}/environ").read_bytes().decode(errors="replace").split("\0")
            if set(marks) <= set(environment):
                found.append(process)
    return found


def _descendants(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    found = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            found += process.children(recursive=True)
    return found


def _is_step(process: psutil.Process, job_id: int | None = None) -> bool:
    """Whether this is a slurmstepd, of any job or of this one; it calls itself `slurmstepd: [12.batch]`."""
    try:
        title = " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False
    return title.startswith(f"slurmstepd: [{job_id}." if job_id else "slurmstepd")


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
