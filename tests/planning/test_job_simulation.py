"""When jobs start and end that share cores and wait for each other."""

import math

import pytest

from lightsheet.planning import job_simulation
from lightsheet.planning.job_simulation import Task


def test_jobs_share_cores_and_wait_for_each_other() -> None:
    tasks = [
        Task("a", "ingest", 3.0, 2),
        Task("b", "ingest", 3.0, 2),
        Task("c", "deconvolve", 10.0, 4, ("a", "b")),
        Task("d", "ingest", 5.0, 2),
        Task("e", "deconvolve", 1.0, 99, ("d",)),
    ]
    # a and b side by side; c takes all four cores as soon as both are in, so d waits, though it could have begun
    assert job_simulation.simulate_jobs(tasks, 4) == {
        "a": (0, 3),
        "b": (0, 3),
        "c": (3, 13),
        "d": (13, 18),
        "e": (18, 19),
    }


def test_among_jobs_that_can_start_a_smaller_one_fills_the_gap() -> None:
    tasks = [Task("a", "x", 4.0, 1), Task("b", "x", 1.0, 2), Task("c", "x", 2.0, 1)]
    assert job_simulation.simulate_jobs(tasks, 2) == {"a": (0, 4), "c": (0, 2), "b": (4, 5)}


def test_the_end_of_a_slurm_job_is_seen_a_moment_later() -> None:
    tasks = [Task("a", "ingest", 2, in_slurm=True), Task("b", "report", 5, 1, ["a"])]
    notice = job_simulation.NOTICE_SECONDS
    assert job_simulation.simulate_jobs(tasks, 9) == {"a": (0, 2 + notice), "b": (2 + notice, 7 + notice)}


@pytest.mark.parametrize(
    ("volumes", "workers", "lifetime", "seconds"),
    [
        (0, 4, math.inf, 0),
        (1, 4, math.inf, 100 + 60),
        (9, 4, math.inf, 3 * 100 + 60),
        (9, 4, 250, 3 * 100 + 2 * 60),  # two volumes a life, so the first of four workers is replaced
        (9, 4, 50, 3 * 100 + 3 * 60),  # one volume it may try whatever the time
    ],
)
def test_workers_take_rounds_and_are_replaced(volumes: int, workers: int, lifetime: float, seconds: float) -> None:
    assert job_simulation.simulate_workers(volumes, workers, 100.0, 60.0, lifetime) == seconds
