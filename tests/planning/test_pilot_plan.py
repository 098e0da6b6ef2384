"""What a pilot is to try, of which volumes, and how that may be configured."""

import dataclasses
import json
from typing import Any

import pytest

from lightsheet.planning import pilot_plan
from lightsheet.planning.suggestion import Suggestion
from lightsheet.planning.trials import choose_sweep
from lightsheet.run import config
from lightsheet.run.jobs import Jobs
from lightsheet.run.run import Run
from lightsheet.system import files
from lightsheet.system.errors import InputError
from tests.support.pilots import CHANNEL, configure


def test_what_is_suggested_is_tried_too_and_so_is_the_least_error_unless_both_take_longer_than_the_sweep(
    planned: Run,
) -> None:
    iterations = pilot_plan.plan_pilot(configure(planned, iterations=[1, 30]))["iterations"]
    assert choose_sweep(iterations, Suggestion(7, "", 7, 3, False)) == [1, 2, 7, 30]
    assert choose_sweep(iterations, Suggestion(7, "", 26, 7, False)) == [1, 2, 7, 26, 30]
    assert choose_sweep(iterations, Suggestion(7, "", 27, 7, False)) == [1, 2, 7, 30]
    assert choose_sweep(iterations, None) == [1, 2], "enough to tell directions apart"


def test_the_plan_is_what_snakemake_can_compare(planned: Run) -> None:
    plan = pilot_plan.plan_pilot(planned)
    assert json.loads(json.dumps(plan))["iterations"] == [1, 2, 5, 10, 20, 40]
    assert plan["sources"][CHANNEL][0]["path"] == planned.list_sources(CHANNEL)[0]
    method = {"engine": "cpu", "acceleration": "none"}
    assert len(pilot_plan.plan_pilot(configure(planned, methods=[method]))["methods"]) == 1
    assert pilot_plan.select_distinct([{"engine": "cpu"}, {"engine": "itk"}, {"engine": "cpu"}]) == [
        {"engine": "cpu"},
        {"engine": "itk"},
    ]


def test_the_nearest_timepoint_that_is_there_stands_for_a_missing_one(planned: Run) -> None:
    volumes = [
        dataclasses.replace(v, tiles=()) if (v.channel, v.timepoint) == (CHANNEL, 0) else v
        for v in planned.acquisition.volumes
    ]
    holed = dataclasses.replace(planned, acquisition=dataclasses.replace(planned.acquisition, volumes=tuple(volumes)))
    assert [timepoint for timepoint, _ in pilot_plan.plan_pilot(holed)["channels"].values()] == [1, 0]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"timepoint": 2}, "config key pilot.timepoint: there is no timepoint 2; give 0 to 1"),
        (
            {"crop": {"z": [0, 7]}},
            r"config key pilot.crop.z: \[0, 7\] is no part of a volume, which has 6 voxels along z",
        ),
        ({"crop": {"x": [5, 5]}}, "config key pilot.crop.x"),
    ],
)
def test_what_the_acquisition_does_not_have_is_refused(planned: Run, settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        pilot_plan.plan_pilot(configure(planned, **settings))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"methods": [{"engine": "itk"}]}, "key pilot.methods.0.boundary: engine itk has no 'extended'"),
        ({"methods": [{"engin": "itk"}]}, "key pilot.methods.0.engin is unknown; did you mean engine?"),
        ({"iterations": []}, "key pilot.iterations"),
        ({"iterations": [0]}, "key pilot.iterations.0: 0 must be at least 1"),
        ({"crop": {"t": [0, 1]}}, "key pilot.crop.t is unknown; known here: z, y, x"),
        ({"crop": {"z": [5]}}, r"key pilot.crop.z: \[5\] is not a list of two whole numbers"),
    ],
)
def test_a_mistake_in_the_configuration_is_a_sentence(planned: Run, settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        config.check_config({**planned.config, "pilot": settings})


def test_a_method_may_need_other_keys_than_the_run_has(planned: Run) -> None:
    auto = {**planned.config["deconvolution"], "iterations": "auto"}
    checked = config.check_config(
        {**planned.config, "deconvolution": auto, "pilot": {"methods": [{"engine": "itk", "boundary": "replicate"}]}}
    )
    assert pilot_plan.plan_pilot(dataclasses.replace(planned, config=checked))["iterations"] == [1, 2, 5, 10, 20, 40]


def test_its_job_asks_for_the_memory_of_its_hungriest_method(planned: Run) -> None:
    large = dataclasses.replace(planned, shape=(201, 1024, 768))
    settings = {"methods": [{"engine": "itk", "boundary": "replicate"}]}
    jobs = Jobs(configure(large, **settings), "local", 2, cores=8)
    assert jobs.plan_memory("pilot")(None, 1) > 3 * jobs.plan_memory("deconvolve")(None, 1)
    away = dataclasses.replace(jobs, dask_cluster="cpu")
    assert away.plan_memory("pilot")(None, 1) == away.plan_memory("deconvolve")(None, 1)
    assert away.choose_threads("pilot") == 1


def test_outcome_says_each_suggestion_and_where_the_sheet_is(planned: Run) -> None:
    settings = {"engine": "cpu", "boundary": "extended", "acceleration": "none", "background": 100}
    methods = [
        {"settings": settings, "suggested": 7, "reason": "so"},
        {"settings": settings, "suggested": None, "reason": "no"},
    ]
    files.write_json(planned.results.pilot, {"channels": {CHANNEL: {"methods": methods}}})
    first, second, last = pilot_plan.describe_outcome(planned.results)
    planned.results.pilot.unlink()
    assert first == f"{CHANNEL}, cpu extended, background 100: 7 iterations: so"
    assert "no suggestion: no" in second
    assert str(planned.results.pilot_page) in last
