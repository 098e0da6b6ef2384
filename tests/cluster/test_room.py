"""Room for workers: by hand, and against every way to seat a few jobs."""

import itertools

from hypothesis import given, strategies as st

from lightsheet.cluster.room import Job, _seat, count_fits
from lightsheet.cluster.site import Node

NODES = st.lists(st.builds(Node, st.integers(1, 8), st.integers(1, 8), st.integers(0, 2)), min_size=1, max_size=3)
JOBS = st.builds(Job, st.builds(Node, st.integers(1, 5), st.integers(0, 4), st.integers(0, 1)), st.just(False))


def count_workers(nodes: list[Node], worker: Job) -> int:
    return sum(count_fits(node, worker) for node in nodes)


def list_seatings(nodes: list[Node], number: int, coordinator: Job) -> list[list[Node]]:
    """List what is left of nodes for each way to seat so many coordinators."""
    seatings = []
    for places in itertools.combinations_with_replacement(range(len(nodes)), number):
        numbers = [places.count(index) for index in range(len(nodes))]
        if all(count_fits(node, coordinator) >= n for node, n in zip(nodes, numbers, strict=True)):
            needs = coordinator.needs
            left = [
                Node(*(amount - n * need for amount, need in zip(node, needs, strict=True)))
                for node, n in zip(nodes, numbers, strict=True)
            ]
            seatings.append(left)
    return seatings


def test_seats_of_coordinators_leave_the_workers_that_a_person_counts() -> None:
    nodes, coordinator, worker = [Node(8, 0, 0)] * 2, Job(Node(1, 0, 0), False), Job(Node(8, 0, 0), False)
    assert count_workers(_seat(nodes, 8, coordinator, worker, is_worst=False), worker) == 1
    assert count_workers(_seat(nodes, 2, coordinator, worker, is_worst=True), worker) == 0
    whole = Job(Node(1, 0, 0), True)
    assert count_workers(_seat(nodes, 1, whole, Job(Node(1, 0, 0), True), is_worst=False), worker) == 1


@given(NODES, JOBS, JOBS)
def test_one_coordinator_sits_where_it_costs_least(nodes: list[Node], coordinator: Job, worker: Job) -> None:
    """This alone ends a run: that no seat leaves room."""
    if seatings := list_seatings(nodes, 1, coordinator):
        best = max(count_workers(left, worker) for left in seatings)
        assert count_workers(_seat(nodes, 1, coordinator, worker, is_worst=False), worker) == best


@given(NODES, JOBS, JOBS, st.integers(0, 4))
def test_some_coordinators_have_a_seating_as_good_and_as_bad(
    nodes: list[Node], coordinator: Job, worker: Job, number: int
) -> None:
    rooms = [count_workers(left, worker) for left in list_seatings(nodes, number, coordinator)]
    good = count_workers(_seat(nodes, number, coordinator, worker, is_worst=False), worker)
    bad = count_workers(_seat(nodes, number, coordinator, worker, is_worst=True), worker)
    if rooms:
        assert good in rooms
        assert bad in rooms
