"""What is known of a cluster from its commands' answers, and what follows for the workers of a coordinator."""

import math
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lightsheet.cluster.fit import choose_cores
from lightsheet.cluster.limits import Accounting, read_accounting
from lightsheet.cluster.questions import COMMANDS, Answer
from lightsheet.cluster.request import Request, names_clusters, request_workers
from lightsheet.cluster.room import Team, find_room, list_limits
from lightsheet.cluster.section import Section
from lightsheet.cluster.site import Node, Site, read_site
from lightsheet.cluster.width import Needs, choose_slots

CORE_MEMORY = 2**31
"""Bytes that a node is taken to have for each core where nothing is known of it."""


UNKNOWN = dict.fromkeys(COMMANDS, Answer(0, ""))
"""Answers that tell nothing, where nobody was asked."""


class Survey(NamedTuple):
    """A cluster, as far as its commands describe it."""

    answers: Mapping[str, Answer]
    site: Site
    accounting: Accounting


class Fit(NamedTuple):
    """The cores of each worker, and how many workers there is room for at a time; infinite where that is not known.

    Nodes that are down count for the room: they may come back while a run lasts, and a job that waits costs nothing.
    """

    cores: int
    workers: float


class Width(NamedTuple):
    """What each worker gets, as `Fit`, the volumes that it has in hand at a time, and bytes for all of them."""

    cores: int
    workers: float
    slots: int
    memory: int


def read_survey(answers: Mapping[str, Answer], requests: Sequence[Request] = ()) -> Survey:
    """Make sense of what `ask_site` was told; nothing is known of other clusters to which some requests may go."""
    if names_clusters(requests, os.environ):
        answers = dict.fromkeys(answers, Answer(0, ""))
    site = read_site(answers)
    return Survey(answers, site, read_accounting(answers, site))


def fit_workers(
    section: Section,
    memory: int,
    answers: Mapping[str, Answer],
    coordinator: Request | None,
    most: int,
    is_seated: bool = False,
) -> Fit:
    """Return how many cores each worker of a section gets, and for how many workers a cluster has room.

    Parameters
    ----------
    section : Section, from `read_section`
    memory : int, bytes that a job asks for unless the section says
    answers : mapping, from `ask_site`
    coordinator : Request or None, of the job in which their coordinator runs; None outside of SLURM
    most : int, of these workers there are never more
    is_seated : bool, whether the coordinator runs already, so that what it has is not idle
    """
    request = request_workers(section, memory, 1, coordinator)
    _, site, accounting = read_survey(answers, [request])
    team = Team(request, coordinator, 1)
    cores = section.cores or choose_cores(site, accounting, team, is_seated, most)
    team = team._replace(worker=request_workers(section, memory, cores, coordinator))
    return Fit(cores, find_room(site, accounting, team).workers)


def fit_width(
    section: Section,
    needs: Needs,
    volumes: int,
    answers: Mapping[str, Answer],
    coordinator: Request | None,
    most: int,
    is_seated: bool = False,
) -> Width:
    """Return cores, volumes at a time and memory of each worker of a section, and for how many workers there is room.

    A worker asks for the memory of one volume at first, which says how many cores suit the nodes; then for that of
    more, where that is no more than its cores are of a node's, and all volumes are done sooner.

    Parameters
    ----------
    section, answers, coordinator, most, is_seated : as for `fit_workers`
    needs : Needs, of a volume
    volumes : int, to be done
    """
    fit = fit_workers(section, needs.count_bytes(1), answers, coordinator, most, is_seated)

    def find_team(slots: int) -> Team:
        return Team(request_workers(section, needs.count_bytes(slots), fit.cores, coordinator), coordinator, 1)

    _, site, accounting = read_survey(answers, [find_team(1).worker])

    def count_workers(slots: int) -> float:
        team, memory = find_team(slots), needs.count_bytes(slots)
        if team.worker.amounts.memory * 2**20 < memory or memory > _find_share(site, team):
            return 0
        return min(most, find_room(site, accounting, team, is_worst=True).workers)

    slots = choose_slots(needs, fit.cores, volumes, count_workers)
    workers = find_room(site, accounting, find_team(slots), is_worst=slots > 1).workers
    return Width(fit.cores, workers, slots, needs.count_bytes(slots))


def _find_share(site: Site, team: Team) -> float:
    """Return the bytes of a worker's share of a node, by its cores or its GPUs; with more, others would lie idle."""
    amounts = team.worker.amounts
    nodes = [node for partition in site.list_partitions(amounts) for node in partition.nodes]
    nodes = [node for node in nodes if node.cores >= amounts.cores and node.gpus >= amounts.gpus]

    def find_part(node: Node) -> float:
        return max(amounts.cores / node.cores, amounts.gpus / node.gpus if amounts.gpus else 0)

    return min((node.memory * 2**20 * find_part(node) for node in nodes), default=amounts.cores * CORE_MEMORY)


def find_most_cores(answers: Mapping[str, Answer], partition: str) -> float:
    """Return how many cores a job can have on one node of a partition (empty: the default one); or infinity.

    No more than the limits of the user's default account allow, above which it would wait for ever.
    """
    request = Request("", "", {}, ("--partition", partition))
    _, site, accounting = read_survey(answers)
    limits = [limit.amount for limit in list_limits(site, accounting, request) if limit.kind == "cores"]
    sizes = [partition_info.find_most("cores") for partition_info in site.list_partitions(request.amounts)]
    return min([max(sizes, default=math.inf), *limits])
