"""How many cores a worker gets where its section of jobqueue.yaml leaves that open: few stay unused on the nodes."""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from lightsheet.cluster.limits import Accounting
from lightsheet.cluster.request import Request
from lightsheet.cluster.room import Job, Team, count_fits, list_rests, make_job, measure, seat_coordinators
from lightsheet.cluster.site import Node, Partition, Site

MOST_CORES = 8
"""The most cores of a worker that shares its node: more are of ever less use within one volume."""

LEAST_SHARE = 0.75
"""Share of the usable cores that workers must use; they are made larger only as far as it is kept."""

MANY_NODES = 20
LEAST_IDLE = 0.1
"""On many nodes somebody's jobs end all the time: with less of it idle, workers need not fit into that."""


class Bounds(NamedTuple):
    """How many workers there may be, and how many cores all of them may have."""

    workers: float = math.inf
    cores: float = math.inf


def fit_cores(nodes: Iterable[Node], make: Callable[[int], Job], bounds: Bounds) -> int:
    """Return the most cores of a worker that leave idle at most a quarter of the cores that workers could use.

    If none does, those that use the most; 0 if not even a worker of one core fits. `make` returns what a worker of a
    number of cores takes of a node.
    """
    kinds = Counter(nodes)
    most_cores = max((node.cores for node in kinds), default=0) if make(1).whole else MOST_CORES
    jobs = {cores: make(cores) for cores in range(most_cores, 0, -1)}

    def count_used(cores: int) -> float:
        job = jobs[cores]
        fits = sum(number * count_fits(node, job) for node, number in kinds.items())
        return cores * min(fits, bounds.workers, bounds.cores // job.needs.cores)

    def find_usable(node: Node) -> int:
        return max((cores * count_fits(node, job) for cores, job in jobs.items()), default=0)

    most_used = sum(number * find_usable(node) for node, number in kinds.items())
    usable = min(most_used, bounds.cores, most_cores * bounds.workers)
    usage = {cores: count_used(cores) for cores in jobs}
    if not any(usage.values()):
        return 0
    return next((cores for cores in jobs if usage[cores] >= LEAST_SHARE * usable), max(jobs, key=lambda n: usage[n]))


def choose_cores(site: Site, accounting: Accounting, team: Team, is_seated: bool, most_workers: float) -> int:
    """Return the cores that each worker of a team gets; the cores of its request are not looked at.

    On what is idle; where that is nothing, on all nodes. If the coordinators are seated, they run already, and their
    cores are not idle. Workers that fit nowhere are made as if they needed no memory and no GPU; sbatch says the rest.
    """
    partitions = site.list_partitions(team.worker.amounts)
    if not partitions or not all(partition.nodes for partition in partitions):
        return MOST_CORES
    bounds = _find_bounds(site, accounting, team, most_workers)
    for worker in (team.worker, _strip(team.worker)):
        make = partial(_make_worker, site, partitions, worker)
        for number, nodes in enumerate(_list_places(site, team, partitions, is_seated)):
            if cores := fit_cores(nodes, make, bounds):
                return cores if number == 0 else _shrink(site, team._replace(worker=worker), partitions, cores)
    return 1


def _shrink(site: Site, team: Team, partitions: list[Partition], cores: int) -> int:
    """Return the most cores, up to so many, of a worker that fits some node wherever the coordinators sit; if any does.

    Else they might sit on the only node that is large enough, and wait for ever.
    """
    for number in range(cores, 0, -1):
        trial = team._replace(worker=_resize(team.worker, number))
        make = partial(_make_worker, site, partitions, trial.worker)
        nodes = [node for p in partitions for node in _seat(site, trial, p, p.usable_nodes or p.nodes)]
        if any(count_fits(node, make(number)) for node in nodes):
            return number
    return cores


def _find_bounds(site: Site, accounting: Accounting, team: Team, most_workers: float) -> Bounds:
    cores, workers = math.inf, most_workers
    for limit, rest in list_rests(site, accounting, team):
        if limit.kind == "cores":
            cores = min(cores, rest)
        elif need := measure(team.worker, limit):
            workers = min(workers, math.floor(rest / need))
    return Bounds(max(workers, 1), max(cores, 1))


def _list_places(site: Site, team: Team, partitions: list[Partition], is_seated: bool) -> Iterable[list[Node]]:
    """Yield where workers may be: in what is idle, if that is not next to nothing, on nodes that take jobs, on all."""
    is_whole = _make_worker(site, partitions, team.worker, 1).whole
    idle = [(p, [part for part in p.idle_parts if not is_whole or part in {*p.usable_nodes}]) for p in partitions]
    usable = [node.cores for p in partitions for node in p.usable_nodes]
    idle_cores = sum(node.cores for _, nodes in idle for node in nodes)
    if len(usable) >= MANY_NODES and idle_cores < LEAST_IDLE * sum(usable):
        idle = []
    yield [node for p, nodes in idle for node in (nodes if is_seated else _seat(site, team, p, nodes))]
    yield [node for p in partitions for node in _seat(site, team, p, p.usable_nodes)]
    yield [node for p in partitions for node in _seat(site, team, p, p.nodes)]


def _seat(site: Site, team: Team, partition: Partition, nodes: list[Node]) -> list[Node]:
    return seat_coordinators(site, team, partition, nodes, is_worst=True)


def _make_worker(site: Site, partitions: list[Partition], worker: Request, cores: int) -> Job:
    """Return what a worker of so many cores takes of any node: of several partitions, the most."""
    amounts = worker.amounts._replace(cores=cores)
    jobs = [make_job(site, partition, amounts) for partition in partitions]
    return Job(max(job.needs for job in jobs), any(job.whole for job in jobs))


def _resize(request: Request, cores: int) -> Request:
    """Return a request for so many cores."""
    return replace(request, words=(*request.words, f"--cpus-per-task={cores}"))


def _strip(request: Request) -> Request:
    """Return a request that asks for cores alone."""
    words = [word for word in request.words if not word.startswith(("--mem", "--gres", "--gpus", "-G"))]
    return Request(request.owner, request.file, request.keys, tuple(words), request.is_worker)
