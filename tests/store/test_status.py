"""The status of a block: readers see a whole one or none, and no run fails because it cannot be written."""

import time
from dataclasses import replace
from pathlib import Path

from lightsheet.store import BlockStatus, Results, read_statuses, write_status

STATUS = BlockStatus("t0000-t0011", time.time() + 3600, "17", 24, 3, 1, 2, 18, 0.5, 36.0, 2, 6, "Resources")


def test_a_status_is_read_as_it_was_written_and_the_latest_counts(tmp_path: Path) -> None:
    results = Results(tmp_path / "demo")
    assert read_statuses(results) == []

    write_status(results.status(STATUS.block), STATUS)
    later = replace(STATUS, done=4, volumes_per_second=None, seconds_left=None)
    write_status(results.status(STATUS.block), later)

    assert read_statuses(results) == [later]
    assert [path.name for path in results.status("any").parent.iterdir()] == ["t0000-t0011.json"]  # no unfinished files


def test_what_is_broken_or_of_another_version_is_passed_over(tmp_path: Path) -> None:
    results = Results(tmp_path)
    write_status(results.status("b"), replace(STATUS, block="b"))
    for name, text in (("c", '{"block": "c", "time": 1'), ("d", '{"block": "d"}'), ("e", "[]"), (".part.f", "{")):
        results.status(name).write_text(text)

    assert [status.block for status in read_statuses(results)] == ["b"]


def test_a_status_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    results = Results(tmp_path)
    results.work_area.write_text("a file in the folder's place")
    write_status(results.status("a"), STATUS)

    results.work_area.unlink()
    results.status("a").mkdir(parents=True)
    write_status(results.status("a"), STATUS)

    assert [path.name for path in results.status("a").parent.iterdir()] == ["a.json"]
    assert read_statuses(results) == []
