"""Seconds and bytes of a volume, as a pilot has measured them or the benchmark."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from lightsheet.planning.builtin_rates import make_builtin_rates
from lightsheet.planning.pilot_rates import choose_rates
from lightsheet.planning.plan import make_plan
from lightsheet.processing import name_storage
from tests.support.plans import SMALL, foresee, pilot, reference
from tests.support.project import ROOT

pytestmark = pytest.mark.usefixtures("environment")


def test_built_in_seconds_are_those_that_the_benchmark_found(tmp_path: Path) -> None:
    work, _ = reference(tmp_path, "--psf-voxel-size", "0.3", "0.104", "0.104")  # as sampled, (101, 64, 64)
    rates = make_builtin_rates(work, "cpu", "")
    assert work.psf_shape == (101, 64, 64)
    assert rates.estimate_volume_seconds(work, 2)[0] == pytest.approx(1.0 + 10 * 1.2)
    assert rates.estimate_volume_seconds(work, 8)[0] < rates.estimate_volume_seconds(work, 2)[0] / 2


def test_a_pilot_of_the_whole_volume_is_given_back(tmp_path: Path) -> None:
    forecast = foresee(tmp_path, *SMALL, pilot=pilot((28, 60, 76), lambda n: 0.5 + 0.25 * n))
    assert forecast.volume_seconds == pytest.approx(0.5 + 10 * 0.25 + 3.0)
    assert make_plan(forecast, None)["written_bytes_of"] == {"raw": 2 * 50_000, "result": 2 * 10_000}
    assert "of the pilot" in forecast.rates.source


@pytest.mark.parametrize(
    ("output", "stored"),
    [
        ({}, 10_000),
        ({"precision": "auto"}, 4_000),
        ({"precision": 7}, 4_000),
        ({"dtype": "uint16", "scale": "auto"}, 2_000),
    ],
)
def test_bytes_are_those_of_the_way_results_are_to_be_stored_now(
    tmp_path: Path, output: dict[str, Any], stored: int
) -> None:
    """The pilot was of float32 in full."""
    trial = pilot((28, 60, 76), lambda n: 0.1 * n)
    sizes = {"full": 10_000, "precision": 4_000, "uint16": 2_000}
    runs = trial["channels"]["channel0"]["methods"][0]["runs"]
    runs[1]["storages"] = {name: {"bytes": size} for name, size in sizes.items()}
    forecast = foresee(tmp_path, *SMALL, pilot=trial)
    config = {**forecast.work.run.config, "output": {**forecast.work.run.config["output"], **output}}
    work = forecast.work._replace(run=dataclasses.replace(forecast.work.run, config=config))
    rates = choose_rates(work, forecast.place, trial)
    assert rates.stored["result"] * work.run.layouts["result"].count_volume_bytes() == pytest.approx(stored)
    builtin = {"full": 1, "precision": 0.5, "uint16": 1}[name_storage(config["output"])]
    assert choose_rates(work, forecast.place, None).stored == {"raw": 1, "result": builtin}


def test_a_pilot_of_a_crop_is_scaled_by_padded_voxels(tmp_path: Path) -> None:
    # (28, 60, 76) and a PSF of 5: padded to (32, 64, 80); the crop (12, 28, 28) to (16, 32, 32), a tenth of it
    forecast = foresee(tmp_path, *SMALL, pilot=pilot((12, 28, 28), lambda n: 0.5 + 0.25 * n))
    compute, transfer = forecast.rates.estimate_volume_seconds(forecast.work, 2)
    assert compute == pytest.approx(10 * (0.5 + 10 * 0.25))
    assert transfer == pytest.approx(3.0 * 28 * 60 * 76 / (12 * 28 * 28))


def test_noise_in_few_runs_makes_no_negative_time(tmp_path: Path) -> None:
    falling = {1: 3.0, 10: 2.0, 40: 1.0}
    forecast = foresee(tmp_path, *SMALL, pilot=pilot((28, 60, 76), falling.get))
    assert forecast.volume_seconds > 0


def test_a_pilot_that_was_a_slurm_job_tells_how_long_those_take_to_start(tmp_path: Path) -> None:
    as_job = pilot((28, 60, 76), float) | {"slurm_job": "7", "start_seconds": {"job": 7.8, "workers": 3.0}}
    in_slurm = foresee(tmp_path, *SMALL, "--profile", str(ROOT / "profiles" / "slurm"), pilot=as_job)
    assert in_slurm.rates.pace == pytest.approx(7.8 / 3.1)  # 1.1 s, and 2 s for Snakemake to start there


def test_a_pilot_on_a_gpu_tells_its_seconds_and_those_of_the_cores_apart(tmp_path: Path) -> None:
    on_gpu = pilot((28, 60, 76), float, engine="gpu")
    for run in on_gpu["channels"]["channel0"]["methods"][0]["runs"]:
        seconds = 0.2 + 0.1 * run["iterations"]
        run["share"] = {"seconds": 5.0, "cores": 8, "core_seconds": 4.0, "gpu_seconds": seconds}
    work, place = reference(tmp_path, *SMALL)
    gpu = place._replace(engine="gpu", shares={**place.shares, "workers": place.worker._replace(cores=8)})
    rates = choose_rates(work, gpu, on_gpu)
    assert rates.estimate_volume_seconds(work, 1) == pytest.approx((0.2 + 10 * 0.1, 4.0))
    assert rates.estimate_interval(work, 8, 6) == pytest.approx(1.2), "the GPU bounds the rate"
    assert rates.estimate_interval(work, 1, 6) == pytest.approx(4.0), "the one core does"
    assert rates.estimate_interval(work, 8, 1) > 1.2 + 4.0 * 0.3


def test_a_pilot_of_another_method_is_not_used(tmp_path: Path) -> None:
    other = pilot((28, 60, 76), lambda n: 0.1 * n, acceleration="biggs")
    forecast = foresee(tmp_path, *SMALL, pilot=other)
    assert "built-in" in forecast.rates.source
    assert "the pilot did not try engine: cpu, boundary: extended, acceleration: none" in forecast.rates.remarks[0]


def test_auto_iterations_are_what_the_pilot_suggests(tmp_path: Path) -> None:
    work, place = reference(tmp_path, *SMALL)
    config = {**work.run.config, "deconvolution": {**work.method, "iterations": "auto"}}
    auto = work._replace(run=dataclasses.replace(work.run, config=config))
    assert choose_rates(auto, place, pilot((28, 60, 76), float)).iterations == 13
    sparse = pilot((28, 60, 76), float)
    sparse["channels"]["channel0"]["methods"][0] |= {"least_error": 70, "falls_on": False}
    assert choose_rates(auto, place, sparse).iterations == 70, "not where the residual stops falling"
    sparse["channels"]["channel0"]["methods"][0] |= {"least_error": 40, "falls_on": True}
    assert choose_rates(auto, place, sparse).iterations == 60, "auto goes beyond what was tried"
    guessed = choose_rates(auto, place, None)
    assert any("iterations: auto is taken for 60" in remark for remark in guessed.remarks)
