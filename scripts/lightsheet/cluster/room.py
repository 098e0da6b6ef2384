"""How many workers can run at a time beside their coordinators: on the nodes of a partition, and within limits."""

import math
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from lightsheet.cluster.limits import Accounting, Limit
from lightsheet.cluster.request import Request, format_amount
from lightsheet.cluster.sbatch_options import Amounts
from lightsheet.cluster.site import Node, Partition, Site


class Team(NamedTuple):
    """The jobs of `deconvolve`: so many coordinators at a time, each of which waits for its workers."""

    worker: Request
    coordinator: Request | None  # None: it runs here, outside SLURM
    coordinators: int


class Room(NamedTuple):
    """The most workers at a time, and what bounds them, as the subject of a sentence."""

    workers: float
    cause: str
    kind: str = "cores"  # of what there is too little: cores, memory, gpus, jobs, submitted jobs
    is_certain: bool = True  # False: jobs might share cores


class Job(NamedTuple):
    """What a job takes of a node, or the whole of it."""

    needs: Node
    whole: bool


def find_room(
    site: Site, accounting: Accounting, team: Team, only_usable: bool = False, is_worst: bool = False
) -> Room:
    """Return the room for workers, which is infinite where nothing is known.

    With `only_usable`, on the nodes that take jobs at this moment, else on all nodes. Coordinators sit where they cost
    the fewest workers their place; if `is_worst`, where they cost the most.
    """
    rooms = [_find_room_on_nodes(site, team, only_usable, is_worst), *_list_rooms_in_limits(site, accounting, team)]
    return min(rooms, key=lambda room: room.workers)


def has_node_for(site: Site, team: Team) -> bool:
    """Tell whether a worker that has the nodes for itself seems to have room; what sbatch says counts more."""
    return _find_room_on_nodes(site, team._replace(coordinators=0), only_usable=False, is_worst=False).workers >= 1


def _find_room_on_nodes(site: Site, team: Team, only_usable: bool, is_worst: bool) -> Room:
    partitions = site.list_partitions(team.worker.amounts)
    if not all(partition.nodes for partition in partitions) or not partitions:
        return Room(math.inf, "")
    workers = 0
    for partition in partitions:
        nodes = partition.usable_nodes if only_usable else partition.nodes
        nodes = seat_coordinators(site, team, partition, nodes, is_worst)
        worker = make_job(site, partition, team.worker.amounts)
        workers += sum(count_fits(node, worker) for node in nodes)
    names = ", ".join(partition.name for partition in partitions)
    nodes_cores = " + ".join(_list_sizes(partitions, only_usable))
    return Room(
        workers,
        f"partition {names} ({nodes_cores})",
        is_certain=all(partition.is_described and not partition.is_shared for partition in partitions),
    )


def _list_sizes(partitions: list[Partition], only_usable: bool) -> Iterator[str]:
    for partition in partitions:
        nodes = partition.usable_nodes if only_usable else partition.nodes
        for cores in sorted({node.cores for node in nodes}, reverse=True):
            number = sum(node.cores == cores for node in nodes)
            yield f"{number} node{'s' * (number != 1)} of {format_amount('cores', cores)}"


def seat_coordinators(site: Site, team: Team, partition: Partition, nodes: list[Node], is_worst: bool) -> list[Node]:
    """Return what the coordinators leave of nodes of the workers' partition: all, if they are elsewhere."""
    coordinator = team.coordinator.amounts if team.coordinator else None
    if not coordinator or not team.coordinators or site.list_partitions(coordinator) != [partition]:
        return nodes
    worker = make_job(site, partition, team.worker.amounts)
    return _seat(nodes, team.coordinators, make_job(site, partition, coordinator), worker, is_worst)


def _seat(nodes: list[Node], number: int, coordinator: Job, worker: Job, is_worst: bool) -> list[Node]:
    """Return what is left of nodes beside some coordinators; thousands of nodes are of few kinds."""
    rest, choose = Counter(nodes), max if is_worst else min

    def rank_loss(node: Node) -> tuple[int, bool, int]:
        fits = count_fits(node, worker)
        return fits - count_fits(_take(node, coordinator), worker), fits > 0, -node.cores

    for _ in range(number):
        seats = [node for node, count in rest.items() if count and count_fits(node, coordinator)]
        if not seats:
            break
        seat = choose(seats, key=rank_loss)
        rest[seat] -= 1
        rest[_take(seat, coordinator)] += 1
    return list(rest.elements())


def make_job(site: Site, partition: Partition, amounts: Amounts) -> Job:
    """Return what a job takes of a partition's nodes, which may be more cores than it asks for."""
    memory = amounts.memory if site.counts_memory else 0
    whole = partition.whole_nodes or site.has_whole_nodes or amounts.whole_node
    cores = max(amounts.cores, math.ceil(amounts.memory / partition.core_memory))
    cores = -(-cores // partition.threads) * partition.threads
    return Job(Node(cores, memory, amounts.gpus), whole)


def count_fits(node: Node, job: Job) -> int:
    """Count the jobs that a node has room for."""
    fits = min(math.floor(amount / need) for amount, need in zip(node, job.needs, strict=True) if need)
    return min(fits, 1) if job.whole else fits


def _take(node: Node, job: Job) -> Node:
    if job.whole:
        return Node(0, 0, 0)
    return Node(node.cores - job.needs.cores, node.memory - job.needs.memory, node.gpus - job.needs.gpus)


def _list_rooms_in_limits(site: Site, accounting: Accounting, team: Team) -> Iterator[Room]:
    for limit, rest in list_rests(site, accounting, team):
        if need := measure(team.worker, limit):
            yield Room(max(0, math.floor(rest / need)), f"{limit.name} ({format_limit(limit)})", limit.kind)


def list_rests(site: Site, accounting: Accounting, team: Team) -> Iterator[tuple[Limit, float]]:
    """Yield the limits on workers' jobs, and how much the coordinators leave of each."""
    coordinators = list_limits(site, accounting, team.coordinator) if team.coordinator else []
    for limit in list_limits(site, accounting, team.worker):
        rest = limit.amount
        if team.coordinator and limit.key in {shared.key for shared in coordinators}:
            rest -= team.coordinators * measure(team.coordinator, limit)
        yield limit, rest


def list_limits(site: Site, accounting: Accounting, request: Request) -> list[Limit]:
    """Return the limits that bear on a request."""
    qos = next((partition.qos for partition in site.list_partitions(request.amounts)), "")
    return accounting.list_limits(request.amounts, qos)


def format_limit(limit: Limit) -> str:
    """Write how much a limit allows at a time."""
    if limit.kind.endswith("jobs"):
        return f"{limit.amount:.0f} {limit.kind if limit.amount != 1 else limit.kind.removesuffix('s')}"
    return format_amount(limit.kind, limit.amount)


def measure(request: Request, limit: Limit) -> float:
    """Return how much of what is limited one job takes."""
    return 1 if limit.kind.endswith("jobs") else float(getattr(request.amounts, limit.kind))
