"""When volumes were done, and how well cores and memory were used."""

from datetime import UTC, datetime
from typing import Any

import pytest

from lightsheet.viewing.finished_run import VolumeRecords
from lightsheet.viewing.timeline import draw_timeline, measure_efficiency

START = datetime(2026, 11, 29, 12, 0, tzinfo=UTC).timestamp()


def make_record(end: float, seconds: float, host: str = "a", **fields: Any) -> dict[str, Any]:
    finished = datetime.fromtimestamp(START + end, UTC).isoformat(timespec="seconds")
    return {"finished": finished, "seconds": {"write": seconds}, "host": host, "slurm_job": None, **fields}


def make_volume(raw: dict[str, Any], result: dict[str, Any]) -> VolumeRecords:
    return VolumeRecords("red", 0, raw, result)


def test_jobs_stand_in_the_order_in_which_they_came() -> None:
    records = [make_record(10, 10, host, slurm_job=job) for host, job in (("c2", "9"), ("c10", "7"), ("c2", "10"))]
    lanes = draw_timeline([make_volume(record, record) for record in records])["lanes"]
    assert list(dict.fromkeys(lane["place"] for lane in lanes)) == ["c2 9", "c2 10", "c10 7"]


def test_lanes_are_the_volumes_in_hand_at_a_time() -> None:
    volumes = [
        make_volume(make_record(10, 10), make_record(60, 40)),
        make_volume(make_record(20, 10), make_record(100, 40)),
        make_volume(make_record(20, 20, "b"), make_record(100, 80)),
    ]
    timeline = draw_timeline(volumes)
    assert timeline["seconds"] == 100
    assert [lane["place"] for lane in timeline["lanes"]] == ["a", "a", "b"]
    first, second, other = (lane["bars"] for lane in timeline["lanes"])
    assert first == [
        {"left": 0, "width": 20, "action": "ingest"},
        {"left": 20, "width": 80, "action": "deconvolve"},
    ], "what touches is one bar"
    assert second == [{"left": 20, "width": 80, "action": "deconvolve"}]
    assert other[0] == {"left": 0, "width": 20, "action": "ingest"}


def test_only_the_latest_command_is_drawn_and_few_lanes() -> None:
    early = make_volume(make_record(10, 10), make_record(20, 10))
    late = [make_volume(make_record(5000, 4, f"n{n:03}"), make_record(5010, 10, f"n{n:03}")) for n in range(50)]
    timeline = draw_timeline([early, *late])
    assert timeline["sessions"] == 2
    assert timeline["seconds"] == 14
    assert len(timeline["lanes"]) == 40
    assert timeline["hidden"] == 10


def test_holes_and_nothing_are_drawn_as_nothing() -> None:
    hole = make_volume(make_record(10, 10, missing=True), make_record(20, 10, missing=True))
    for volumes in ([hole], []):
        assert draw_timeline(volumes)["lanes"] == []


def test_cores_and_memory_are_compared_with_what_was_held_and_asked_for() -> None:
    share = {"seconds": 1800, "cores": 4, "core_seconds": 3600, "gpu_seconds": 0}
    memory = {"peak_bytes": 3 << 30, "memory_bytes": 4 << 30}
    volumes = [
        make_volume(make_record(1, 1), make_record(9, 9, share={**share, **memory})),
        make_volume(make_record(1, 1), make_record(9, 9, share=share)),
        make_volume(make_record(1, 1), make_record(9, 9)),
    ]
    efficiency = measure_efficiency(volumes)
    assert efficiency
    assert efficiency["core_hours"] == pytest.approx(4)
    assert efficiency["cores_busy"] == pytest.approx(0.5)
    assert (efficiency["memory_peak"], efficiency["memory_asked"]) == (3 << 30, 4 << 30)
    assert efficiency["kilowatt_hours"] == pytest.approx(4 * efficiency["watts"] / 1000)
    assert measure_efficiency(volumes[2:]) is None
