"""The daemons of a SLURM on this one machine: what they are told, how they start, which processes are theirs."""

import contextlib
import hashlib
import os
import secrets
import shutil
import socket
import stat
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.support.minislurm_machine import (
    MEMORY_CGROUPS,
    PORTS,
    answers,
    free_ports,
    is_step,
    kernel_limits_memory,
    kill_all,
    list_descendants,
    list_marked,
)
from tests.support.patience import wait_until

SUPPORT = Path(__file__).parent
GPUS = 2
OTHER_USER = "nobody"

# Of slurm.conf, with accounting.
STORAGE = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={dbd_port}
AccountingStoragePass={folder}/munge/socket
AccountingStorageTRES=gres/gpu
AccountingStorageEnforce=associations,limits
"""
KILLED_BY_KERNEL = "TaskPlugin=task/cgroup\n"
KILLED_BY_SLURM = "JobAcctGatherParams=OverMemoryKill\n"
CGROUP_CONF = "CgroupPlugin=cgroup/v1\nCgroupAutomount=no\nConstrainRAMSpace=yes\n"
GRANT = """\
CREATE USER slurm@'127.0.0.1' IDENTIFIED BY 'slurm';
GRANT ALL ON slurm_acct_db.* TO slurm@'127.0.0.1';
"""


@dataclass(frozen=True)
class Shape:
    """How many nodes partition `cpu` has, and what each claims: CPUs, and memory in MB."""

    nodes: int = 2
    cpus: int = 8
    memory: int = 8000

    @property
    def names(self) -> list[str]:
        """`c1`, `c2`, ... and the node with GPUs."""
        return [*(f"c{number + 1}" for number in range(self.nodes)), "g1"]

    def describe_nodes(self, host: str, first_port: int) -> str:
        """Return the lines of slurm.conf; g1 is as large as the others are by default."""
        sizes = [self] * self.nodes + [Shape()]
        gres = [""] * self.nodes + [f" Gres=gpu:{GPUS}"]
        return "\n".join(
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={first_port + number} CPUs={size.cpus}"
            f" RealMemory={size.memory}{gpu}"
            for number, (name, size, gpu) in enumerate(zip(self.names, sizes, gres, strict=True))
        )


@dataclass(frozen=True)
class Daemons:
    """munged, slurmctld, a slurmd for each node, perhaps slurmdbd and MariaDB; all their files lie in `folder`."""

    folder: Path

    @property
    def conf(self) -> Path:
        return self.folder / "etc" / "slurm.conf"

    @property
    def name(self) -> str:
        """Differs from every other cluster's on this machine: it tells whose job a process belongs to."""
        return "mini" + hashlib.sha256(str(self.folder).encode()).hexdigest()[:8]

    @property
    def nodes(self) -> list[str]:
        """The names of the nodes."""
        lines = self.conf.read_text().splitlines() if self.conf.exists() else []
        return [line.split()[0].removeprefix("NodeName=") for line in lines if line.startswith("NodeName=")]

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment, without the settings of a job that it may run in."""
        variables = {key: value for key, value in os.environ.items() if not key.startswith(("SLURM", "SBATCH_"))}
        return {**variables, "SLURM_CONF": str(self.conf)}

    def command(self, *arguments: str | Path, cwd: Path | None = None) -> str:
        """Run one of SLURM's commands and return its output."""
        ended = subprocess.run(
            arguments, env=self.environment, cwd=cwd, capture_output=True, text=True, timeout=90, check=False
        )
        if ended.returncode:
            raise RuntimeError(f"{' '.join(map(str, arguments))}: {ended.stderr or ended.stdout}")
        return ended.stdout

    def works(self, *command: str | Path) -> bool:
        """Run a command, and tell whether it succeeds."""
        try:
            self.command(*command)
        except (RuntimeError, subprocess.TimeoutExpired):
            return False
        return True

    def start_daemons(self, accounting: bool, shape: Shape) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        port = self._configure(accounting, shape)
        self._launch("munged", *self._munged_options())
        wait_until(lambda: self.works("munge", "-n", "-S", self.folder / "munge" / "socket"), 60, "munged answering")
        if accounting:
            self._start_accounting(sql_port=port + 2)
        self._launch("slurmctld", "-D", "-f", self.conf)
        for node in self.nodes:
            self.start_node(node)
        wait_until(lambda: answers(self.conf), 60, "slurmctld answering")
        self.wait_for_nodes(self.nodes)

    def start_node(self, node: str) -> None:
        self._launch("slurmd", "-D", "-N", node, "-f", self.conf, node=node)

    def wait_for_nodes(self, nodes: Iterable[str]) -> None:
        """Wait until nodes take jobs; drained ones are resumed."""

        def ready() -> bool:
            missing = set(nodes) - self.list_usable_nodes()
            for node in missing:  # a drained node stays so until it is resumed
                self.works("scontrol", "update", f"nodename={node}", "state=resume")
            return not missing

        wait_until(ready, 60, f"nodes {', '.join(nodes)} taking jobs")

    def list_usable_nodes(self) -> set[str]:
        states = [line.split() for line in self.command("sinfo", "-h", "-N", "-o", "%N %T").splitlines()]
        unusable = ("down", "drain", "fail", "unk")
        # A star says that the node does not answer.
        return {node for node, state in states if not (state.startswith(unusable) or state.endswith("*"))}

    def list_processes(self, node: str = "") -> list[psutil.Process]:
        """List the processes of the cluster or of one of its nodes, daemons first, then job steps, then the jobs'."""
        daemons = list_marked(f"MINISLURM={self.folder}", *([f"MINISLURM_NODE={node}"] if node else []))
        jobs = list_marked(f"SLURM_CLUSTER_NAME={self.name}", *([f"SLURMD_NODENAME={node}"] if node else []))
        daemons.sort(key=is_step)
        return list(dict.fromkeys([*daemons, *list_descendants(daemons), *jobs]))

    def end_daemons(self) -> None:
        kill_all(self.list_processes, f"the processes of {self.folder}")
        for node in self.nodes:  # the kernel refuses to remove what another cluster uses
            for cgroup, _, _ in os.walk(MEMORY_CGROUPS / f"slurm_{node}", topdown=False):
                with contextlib.suppress(OSError):
                    Path(cgroup).rmdir()

    def read_log_ends(self) -> str:
        logs = sorted((self.folder / "log").glob("*"))
        return "\n".join(f"== {log}\n{log.read_text(errors='replace')[-1000:]}" for log in logs)

    def _configure(self, accounting: bool, shape: Shape) -> int:
        """Write all that the daemons read, and return the first of the ports."""
        for part in ("etc", "log", "munge", "spool", "state", "devices"):
            (self.folder / part).mkdir(parents=True)
        # Every user must reach the configuration and munge's socket.
        for folder in (self.folder, self.conf.parent, self.folder / "munge", self.folder / "log"):
            folder.chmod(0o755)
        port, host = free_ports(3 + len(shape.names)), socket.gethostname().split(".")[0]
        values = {
            **{"name": self.name, "folder": self.folder, "host": host},
            **{"port": port, "dbd_port": port + 1, "sql_port": port + 2},
            **{"nodes": shape.describe_nodes(host, port + 3), "cpu_nodes": ",".join(shape.names[:-1])},
            # Clusters that run at once number their jobs differently: the kernel's memory limits are named by them.
            "first_job_id": 1 + (port - PORTS.start) * 1000,
        }
        template = (SUPPORT / "slurm.conf").read_text()
        template += KILLED_BY_KERNEL if kernel_limits_memory() else KILLED_BY_SLURM
        template += STORAGE if accounting else ""
        self._write("slurm.conf", template.format(**values), 0o644)
        self._write("cgroup.conf", CGROUP_CONF, 0o644)
        self._write("gres.conf", f"NodeName=g1 Name=gpu File={self.folder}/devices/nvidia[0-{GPUS - 1}]\n", 0o644)
        for gpu in range(GPUS):  # a null device of our own by the name that SLURM expects, never a real GPU
            os.mknod(self.folder / "devices" / f"nvidia{gpu}", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        if accounting:
            self._write("slurmdbd.conf", (SUPPORT / "slurmdbd.conf").read_text().format(**values), 0o600)
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
        common = ("--no-defaults", "--user=mysql", f"--datadir={data}", f"--tmpdir={data}")
        self.command("mariadb-install-db", *common, "--skip-test-db")
        self._launch(
            *("mariadbd", *common, "--bind-address=127.0.0.1", f"--port={sql_port}"),
            *(f"--socket={data}/socket", f"--pid-file={data}/pid", f"--init-file={self.folder}/etc/grant.sql"),
            *("--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0", "--innodb-lock-wait-timeout=900"),
        )
        client = ("mariadb", "--no-defaults", "-h127.0.0.1", f"-P{sql_port}", "-uslurm", "-pslurm", "-eSELECT 1")
        wait_until(lambda: self.works(*client), 90, "MariaDB answering")
        self._launch("slurmdbd", "-D")
        wait_until(lambda: self.works("sacctmgr", "-i", "list", "cluster"), 90, "slurmdbd answering")
        self.command("sacctmgr", "-i", "add", "cluster", self.name)
        self.command("sacctmgr", "-i", "add", "user", OTHER_USER, "account=root")

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
