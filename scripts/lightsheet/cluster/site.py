"""A cluster as its commands describe it: partitions, the nodes in them, and how SLURM shares these out."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from lightsheet.cluster.questions import Answer
from lightsheet.cluster.sbatch_options import Amounts, count_gpus
from lightsheet.cluster.slurm import parse_walltime

NODES = re.compile(
    r"([^|]+)\|\w+\|([^|]+)\|(\d+)\|(\d+)\|(\d+)\|([^|]*)\|([^|]*)"
    r"(?:\|(\d+)/(\d+)/\d+/\d+\|(\d+)\|([^|]*)\|(\d+):(\d+):(\d+)\|)?"
)
UNUSABLE = ("down", "drain", "fail", "unk", "inval", "power_down", "powering_down", "perfctrs", "block", "error")
"""How the states of nodes begin that take no jobs; a star at the end says that a node does not answer."""


RESERVED = ("reserved", "maint")
"""How the states of nodes begin whose idle cores are not for everybody."""


class Node(NamedTuple):
    """Cores, memory (MiB) and GPUs of a node."""

    cores: int
    memory: float
    gpus: int


@dataclass
class Partition:
    """A partition; `nodes` holds all of its nodes, `usable_nodes` those that take jobs now; none: not known."""

    name: str
    is_default: bool = False
    limit: float = math.inf  # seconds of a job
    nodes: list[Node] = field(default_factory=list)
    usable_nodes: list[Node] = field(default_factory=list)
    idle_parts: list[Node] = field(default_factory=list)  # what running jobs leave free of each usable node
    threads: int = 1  # hardware threads of a core: jobs share no core, so SLURM gives a multiple of these
    core_memory: float = math.inf  # MiB; a job that wants more for a core gets more cores
    qos: str = ""
    whole_nodes: bool = False  # each job has its nodes for itself
    is_shared: bool = False  # jobs may have the same cores
    is_described: bool = False  # whether scontrol said so
    accounts: set[str] = field(default_factory=set)  # that may use it, in small letters; none: all
    banned_accounts: set[str] = field(default_factory=set)

    def admits(self, lineage: Sequence[str]) -> bool:
        """Tell whether it may take jobs of an account, given before those above it."""
        if self.accounts:
            return not self.accounts.isdisjoint(lineage)
        return lineage[0] not in self.banned_accounts

    def find_most(self, kind: str) -> float:
        """Return how much of something its best node has, of `cores`, `memory` or `gpus`."""
        return max((getattr(node, kind) for node in self.nodes), default=math.inf)


@dataclass
class Site:
    """What is known of a cluster; `settings` are slurm.conf's."""

    partitions: dict[str, Partition]
    settings: dict[str, str]

    def list_partitions(self, amounts: Amounts) -> list[Partition]:
        """Return the partitions in which a job may run; none if one of them is not known."""
        names = amounts.partitions or [name for name, partition in self.partitions.items() if partition.is_default]
        partitions = [self.partitions[name] for name in names if name in self.partitions]
        return partitions if len(partitions) == len(names) else []

    @property
    def counts_memory(self) -> bool:
        """Whether jobs share a node's memory, rather than its cores alone."""
        return "MEMORY" in self.settings.get("SelectTypeParameters", "").upper()

    @property
    def changes_jobs(self) -> bool:
        """Whether the site's own filters may give a job another partition, QOS or time than it asks for."""
        names = ",".join(self.settings.get(key, "") for key in ("JobSubmitPlugins", "CliFilterPlugins"))
        return bool({*re.findall(r"\w+", names)} - {"null", "require_timelimit", "throttle"})

    @property
    def has_whole_nodes(self) -> bool:
        """Whether every job has its nodes for itself."""
        return "linear" in self.settings.get("SelectType", "")


def read_site(answers: Mapping[str, Answer]) -> Site:
    """Make sense of what the commands printed; lines that are none of theirs are passed over."""
    texts = {name: answer.text if answer.code == 0 else "" for name, answer in answers.items()}
    nodes, partitions, settings = texts["nodes"], texts["partitions"], texts["settings"]
    clusters = {*re.findall("^CLUSTER: *(.*)", f"{nodes}\n{partitions}", re.MULTILINE)}
    if len(clusters) > 1:  # whose partitions may have the same names
        nodes = partitions = settings = ""
    site = Site(_read_nodes(nodes), dict(re.findall(r"^(\w+) *= (.*?) *$", settings, re.MULTILINE)))
    for line in partitions.split("\n"):
        words = dict(re.findall(r"(\w+)=(\S*)", line))
        if partition := site.partitions.get(words.get("PartitionName", "")):
            share = words.get("OverSubscribe", "")
            partition.is_described = True
            partition.whole_nodes = share == "EXCLUSIVE"
            partition.is_shared = share.startswith(("FORCE", "YES"))
            if int(words.get("TotalNodes", "0") or 0) > len(partition.nodes):
                # sinfo hides cloud nodes that are powered down: how large those are is not known
                partition.nodes, partition.usable_nodes, partition.idle_parts = [], [], []
            partition.qos = words.get("QoS", "N/A").replace("N/A", "")
            partition.accounts = _read_names(words.get("AllowAccounts", ""))
            partition.banned_accounts = _read_names(words.get("DenyAccounts", ""))
            _limit_jobs(partition, words, site.settings)
    return site


def _read_names(text: str) -> set[str]:
    """Read the names of a list, in small letters; none of one that means all, or nobody says."""
    return set() if text.upper() in ("", "ALL", "N/A", "(NULL)") else set(text.lower().split(","))


def _limit_jobs(partition: Partition, words: Mapping[str, str], settings: Mapping[str, str]) -> None:
    """Note how much of a node a partition's jobs may have."""
    limits = (words.get("MaxMemPerCPU", ""), settings.get("MaxMemPerCPU", ""))
    partition.core_memory = min((float(limit) for limit in limits if limit.isdecimal()), default=math.inf) or math.inf
    cores, memory = words.get("MaxCPUsPerNode", ""), words.get("MaxMemPerNode", "")
    for nodes in (partition.nodes, partition.usable_nodes, partition.idle_parts):
        if cores.isdecimal() and int(cores):
            nodes[:] = [node._replace(cores=min(node.cores, int(cores))) for node in nodes]
        if memory.isdecimal() and int(memory):
            nodes[:] = [node._replace(memory=min(node.memory, float(memory))) for node in nodes]


def _read_nodes(text: str) -> dict[str, Partition]:
    """Read sinfo's lines, one for each node of a partition; of ten thousand nodes most are alike."""
    partitions: dict[str, Partition] = {}
    for line, number in Counter(line.rstrip() for line in text.split("\n")).items():
        if match := NODES.fullmatch(line):
            name, limit, count, cores, memory, gres, state, *parts = match.groups()
            partition = partitions.setdefault(name.rstrip("*"), Partition(name.rstrip("*"), name.endswith("*")))
            try:
                partition.limit = float(parse_walltime(limit))
            except ValueError:  # "infinite"
                partition.limit = math.inf
            node = Node(int(cores), float(memory), count_gpus(gres))
            _add_nodes(partition, number * int(count), node, state, parts)
    return partitions


def _add_nodes(partition: Partition, number: int, node: Node, state: str, parts: list[str | None]) -> None:
    """Add nodes that are alike; `parts` are what is in use of each, and its sockets, cores and threads, if known."""
    partition.nodes += number * [node]
    if state.startswith(UNUSABLE) or state.endswith("*"):
        return
    partition.usable_nodes += number * [node]
    if parts[0] is None:
        return
    _, idle, memory, gpus, sockets, cores, threads = (part or "0" for part in parts)
    if not state.startswith(RESERVED):
        rest = Node(int(idle), node.memory - float(memory), node.gpus - count_gpus(gpus))
        partition.idle_parts += number * [rest]
    if int(sockets) * int(cores) * int(threads) == node.cores:  # else each of SLURM's CPUs is a core
        partition.threads = max(partition.threads, int(threads))
