"""The status of a block while its coordinator lives."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lightsheet.cluster import VolumeCount
from lightsheet.processing import block_status
from lightsheet.processing.block_status import tell_status
from lightsheet.store import BlockStatus, Results, read_statuses


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_status, "LEAST_SECONDS", 0.02)
    monkeypatch.setattr(block_status, "MOST_SECONDS", 0.06)


def wait_for(results: Results, condition: Callable[[BlockStatus], bool]) -> BlockStatus:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if any(condition(status) for status in read_statuses(results)):
            return read_statuses(results)[0]
        time.sleep(0.01)
    raise TimeoutError(str(read_statuses(results)))


def test_a_status_says_all_volumes_of_the_block_and_is_gone_at_the_end(tmp_path: Path) -> None:
    results = Results(tmp_path)
    with tell_status(results, "t0000", 24, 4, 1) as tell:
        first = wait_for(results, lambda status: True)  # noqa: ARG005
        assert (first.volumes, first.done, first.failed, first.waiting) == (24, 4, 1, 19)
        assert first.volumes_per_second is first.seconds_left is None
        tell(VolumeCount(6, 1, 2, 10, 12.0, 2, 3, "Resources"))
        status = wait_for(results, lambda status: status.workers > 0)
        assert (status.done, status.failed, status.in_flight, status.waiting) == (10, 2, 2, 10)
        assert (status.volumes_per_second, status.seconds_left) == (0.5, 24.0)
        assert (status.workers_waiting, status.reason) == (3, "Resources")
    assert read_statuses(results) == []


def test_a_coordinator_that_lives_says_so_although_nothing_changes(tmp_path: Path) -> None:
    results = Results(tmp_path)
    with tell_status(results, "t0000", 2, 0, 0):
        first = wait_for(results, lambda status: True)  # noqa: ARG005
        wait_for(results, lambda status: status.time > first.time)


def test_a_failure_ends_with_no_status_left(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="full"), tell_status(Results(tmp_path), "t0000", 2, 0, 0):
        raise ValueError("full")
    assert read_statuses(Results(tmp_path)) == []
