"""Which workers leave, and how many are missing."""

from pathlib import Path

from lightsheet.cluster.slurm_worker import SlurmWorker
from lightsheet.cluster.staffing import count_missing, list_leaving


def make_worker(number, *, is_ready=True, is_released=False):
    name = f"worker-{number}"
    address = name if is_ready else None
    return SlurmWorker(name, str(number), 0, Path("log"), address=address, is_ready=is_ready, is_released=is_released)


def is_fit(worker):
    return worker.name != "worker-9"


def test_a_worker_that_has_not_come_yet_counts_as_one_that_will_take_volumes():
    workers = [make_worker(0), make_worker(1, is_ready=False)]
    assert count_missing(workers, is_fit, 2, 4, []) == 0
    assert count_missing(workers, is_fit, 2, 5, []) == 1


def test_volumes_in_hand_take_the_slots_of_their_workers():
    workers = [make_worker(0)]
    assert count_missing(workers, is_fit, 2, 3, ["worker-0", "worker-0"]) == 1
    assert count_missing(workers, is_fit, 2, 2, ["worker-0", "worker-0"]) == 0


def test_a_volume_whose_worker_is_gone_waits_again():
    assert count_missing([make_worker(0)], is_fit, 1, 2, ["worker-0", "worker-7"]) == 1


def test_workers_that_are_unfit_or_leave_take_no_volume():
    workers = [make_worker(9), make_worker(1, is_released=True)]
    assert count_missing(workers, is_fit, 1, 2, []) == 2


def test_the_unfit_and_the_surplus_leave_but_no_worker_with_a_volume():
    unfit, busy, idle, surplus = workers = [make_worker(number) for number in (9, 0, 1, 2)]
    assert list_leaving(workers, is_fit, 2, ["worker-0"]) == [unfit, idle]
    assert list_leaving(workers, is_fit, 3, ["worker-0"]) == [unfit]
    assert list_leaving([busy, idle, surplus], is_fit, 1, ["worker-0"]) == [idle, surplus]


def test_a_worker_that_was_asked_to_leave_is_not_asked_again():
    assert list_leaving([make_worker(9, is_released=True)], is_fit, 0, []) == []
