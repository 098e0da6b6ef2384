"""A cluster as its commands describe it: partitions, the nodes in them, and how SLURM shares these out."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from lightsheet.cluster.questions import Answer
from lightsheet.cluster.request import Amounts, count_gpus
from lightsheet.cluster.slurm import parse_walltime

NODES = re.compile(r"([^|]+)\|\w+\|([^|]+)\|(\d+)\|(\d+)\|(\d+)\|([^|]*)\|([^|]*)")
UNUSABLE = ("down", "drain", "fail", "unk", "inval", "power_down", "powering_down", "perfctrs", "block", "error")
"""How the states of nodes begin that take no jobs; a star at the end says that a node does not answer."""


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
    qos: str = ""
    whole_nodes: bool = False  # each job has its nodes for itself
    is_shared: bool = False  # jobs may have the same cores
    is_described: bool = False  # whether scontrol said so

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
        known = [self.partitions[name] for name in names if name in self.partitions]
        return known if len(known) == len(names) else []

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
    nodes, partitions, settings = (_get_text(answers, name) for name in ("nodes", "partitions", "settings"))
    if re.search("^CLUSTER: ", nodes + partitions, re.MULTILINE):  # several, whose partitions may have the same names
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
                partition.nodes, partition.usable_nodes = [], []
            partition.qos = words.get("QoS", "N/A").replace("N/A", "")
    return site


def _get_text(answers: Mapping[str, Answer], name: str) -> str:
    return answers[name].text if answers[name].code == 0 else ""


def _read_nodes(text: str) -> dict[str, Partition]:
    """Read sinfo's lines, one for nodes of a partition that are alike."""
    partitions: dict[str, Partition] = {}
    for line in text.split("\n"):
        if not (match := NODES.fullmatch(line.rstrip())):
            continue
        name, limit, number, cores, memory, gres, state = match.groups()
        partition = partitions.setdefault(name.rstrip("*"), Partition(name.rstrip("*"), name.endswith("*")))
        try:
            partition.limit = float(parse_walltime(limit))
        except ValueError:  # "infinite"
            partition.limit = math.inf
        nodes = int(number) * [Node(int(cores), float(memory), count_gpus(gres))]
        partition.nodes += nodes
        if not (state.startswith(UNUSABLE) or state.endswith("*")):
            partition.usable_nodes += nodes
    return partitions
