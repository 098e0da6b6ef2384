from pathlib import Path

import pytest

from lightsheet.store import read_image
from lightsheet.system.errors import InputError
from lightsheet.viewing import finished_run
from tests.support.families import parametrize
from tests.support.stored_run import CHANNELS, COMMIT, SPECIAL, make


@parametrize(
    ("seconds", "complete"),
    [
        ([0, 10, None, 30, 40], [0, 10, 20, 30, 40]),
        ([None, 0, 10, 20.4, None], [0, 10.2, 20.2, 30.6, 40.8]),  # 10.2 s before and after
        ([100, 110], [0, 10]),
        ([None, 0, None], None),
        (None, None),
    ],
    quick=2,
)
def test_timepoints_of_unknown_time_stand_between_the_others(
    tmp_path: Path, seconds: list[float | None] | None, complete: list[float] | None
) -> None:
    timepoints = len(seconds) if seconds else 2
    time = finished_run.measure_time_axis(read_image(make(tmp_path, timepoints, seconds=seconds), "result").seconds)
    assert time.seconds == (complete if complete is None else pytest.approx(complete))
    assert not time.irregular


def test_a_finished_run_tells_where_it_came_from(tmp_path: Path) -> None:
    results = make(tmp_path, 1)
    origin = finished_run.read_origin(results)
    graph = origin.graph
    assert (graph.commit, graph.versions, origin.timepoints_per_job) == (COMMIT, {"python": "3.11.2"}, 2)
    assert graph.times[0] < graph.times[1]
    assert finished_run.read_wavelengths(results) == {name: str(w or "") for name, w in CHANNELS.items()}


def test_a_volume_has_both_records_or_is_not_done(tmp_path: Path) -> None:
    results = make(tmp_path, 2, missing=[(SPECIAL, 1)])
    assert finished_run.read_volume_records(results, SPECIAL, 0).statistics["residual"] == 0.25
    hole = finished_run.read_volume_records(results, SPECIAL, 1)
    assert (hole.missing, hole.statistics) == (True, {})
    with pytest.raises(InputError, match="timepoint 2 is not done"):
        finished_run.read_volume_records(results, SPECIAL, 2)
