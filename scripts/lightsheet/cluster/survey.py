"""What is known of a cluster from its commands' answers, and what follows for the workers of a coordinator."""

import math
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lightsheet.cluster.fit import choose_cores
from lightsheet.cluster.limits import Accounting, read_accounting
from lightsheet.cluster.questions import Answer
from lightsheet.cluster.request import Request, names_clusters, request_workers
from lightsheet.cluster.room import Team, find_room, list_limits
from lightsheet.cluster.section import Section
from lightsheet.cluster.site import Site, read_site


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
    request = request_workers(section, memory, 1)
    _, site, accounting = read_survey(answers, [request])
    team = Team(request, coordinator, 1)
    cores = section.cores or choose_cores(site, accounting, team, is_seated, most)
    team = team._replace(worker=request_workers(section, memory, cores))
    return Fit(cores, find_room(site, accounting, team).workers)


def find_most_cores(answers: Mapping[str, Answer], partition: str) -> float:
    """Return how many cores a job can have on one node of a partition (empty: the default one); or infinity.

    No more than the limits of the user's default account allow, above which it would wait for ever.
    """
    request = Request("", "", {}, ("--partition", partition))
    _, site, accounting = read_survey(answers)
    limits = [limit.amount for limit in list_limits(site, accounting, request) if limit.kind == "cores"]
    sizes = [most.find_most("cores") for most in site.list_partitions(request.amounts)]
    return min([max(sizes, default=math.inf), *limits])
