"""Both directions of a stage scan in the pilot: which one leaves less of the image unexplained."""

from pathlib import Path
from typing import Any

import pytest

from lightsheet.planning import trials
from lightsheet.planning.directions import add_direction, compare_directions, is_reversed, prepare_psfs
from lightsheet.planning.pilot import make_scratch
from lightsheet.planning.pilot_plan import plan_layouts, plan_pilot
from lightsheet.planning.suggestion import Suggestion
from lightsheet.planning.trials import Trials
from lightsheet.run import prepare_run
from lightsheet.simulation import simulate_acquisition

CHANNEL = "CamA_ch0_488nm"
SCAN = {"angle": 31.5, "step": 0.3, "axis": "x", "direction": -1}


def measured(*residuals: dict[int, float | None]) -> list[dict[str, Any]]:
    methods = add_direction([{"engine": "cpu", "scan": SCAN}])
    return [
        {"settings": method, "runs": [{"iterations": n, "residual": r} for n, r in runs.items()]}
        for method, runs in zip(methods, residuals, strict=True)
    ]


def test_the_first_method_is_tried_in_the_other_direction_too() -> None:
    methods = add_direction([{"engine": "cpu", "scan": SCAN}, {"engine": "itk", "scan": SCAN}])
    assert [(m["engine"], m["scan"]["direction"]) for m in methods] == [("cpu", -1), ("itk", -1), ("cpu", 1)]
    assert [is_reversed(m, methods[0]) for m in methods] == [False, False, True]
    assert add_direction([{"engine": "cpu"}]) == [{"engine": "cpu"}]


@pytest.mark.parametrize(
    ("residuals", "sentence"),
    [
        (({2: 0.36, 10: 0.23, 20: 0.2}, {2: 0.56, 10: 0.52}), "direction -1 fits, as the configuration says"),
        (({2: 0.56, 10: 0.52}, {2: 0.36, 10: 0.23}), "direction 1 fits better than that of the configuration"),
        (({10: 0.5}, {10: 0.495}), "they hardly differ, look at the pictures"),
    ],
)
def test_the_direction_that_fits_is_said(residuals: tuple[dict[int, float], ...], sentence: str) -> None:
    verdict = compare_directions(measured(*residuals))
    assert sentence in verdict
    assert verdict.startswith("after 10 iterations direction -1 leaves ")


def test_nothing_is_said_without_numbers_of_both() -> None:
    assert compare_directions(measured({10: None}, {10: None})) == ""
    assert compare_directions([{"settings": {"engine": "cpu"}, "runs": []}]) == ""


@pytest.mark.slow
def test_of_a_simulated_stage_scan_the_right_direction_leaves_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "suggest_iterations", lambda **_: Suggestion(5, "not looked for", 5, 5, False))
    simulate_acquisition(
        tmp_path / "data", channels=1, timepoints=1, shape=(16, 48, 56), psf_shape=(41, 24, 24), scan=SCAN
    )
    run = prepare_run(
        {
            "name": "scan",
            "input": {
                "folder": str(tmp_path / "data"),
                "scan": {"kind": "stage", "direction": 1},
                "ignore": ["truth/*"],
            },
            "voxel_size": {"y": 0.104, "x": 0.104},
            "psf": {"files": {CHANNEL: "psf/488.tif"}, "voxel_size": {"z": 0.1, "y": 0.104, "x": 0.104}},
            "deconvolution": {"engine": "cpu", "iterations": 5, "background": 100},
            "pilot": {"iterations": [5]},
            "output": {"folder": str(tmp_path / "results")},
        }
    )
    plan = plan_pilot(run)
    prepare_psfs(plan["psf_images"], plan["methods"][0]["scan"], run.results)
    plan["methods"] = [{**method, "fill": {CHANNEL: None}} for method in plan["methods"]]

    def call(function: Any, tasks: Any, _: str) -> None:
        for task in tasks.values():
            function(**task)

    with make_scratch(run.results) as scratch:
        prepare_psfs(plan["psf_images"], plan["methods"][1]["scan"], scratch)
        channels, _ = Trials(run.results, scratch, plan, plan_layouts(run), call, 1, None).measure()
    verdict = compare_directions(channels[CHANNEL]["methods"])
    assert "direction -1 fits better than that of the configuration; set input.scan.direction" in verdict
