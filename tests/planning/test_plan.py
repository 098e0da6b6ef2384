"""The plan: schedules worked out by hand, sizes counted by hand, and measurements that it must give back."""

import copy
import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest

from lightsheet import cli
from lightsheet.planning import job_simulation, place as place_module, schedule, workload
from lightsheet.planning.builtin_rates import make_builtin_rates
from lightsheet.planning.pilot_rates import choose_rates
from lightsheet.planning.plan import make_plan
from lightsheet.planning.plan_text import format_plan
from lightsheet.planning.schedule import Schedule
from lightsheet.planning.workload import Block
from lightsheet.run import jobs as jobs_module
from lightsheet.run.publication import read_identity
from lightsheet.system.errors import InputError
from tests.support import tiny_run
from tests.support.plans import ONE_WORKER, SMALL, foresee, free_bytes, pilot, reference, simple

ROOT = Path(__file__).parents[2]


pytestmark = pytest.mark.usefixtures("environment")


def test_the_reference_acquisition_is_counted_without_its_pixels(tmp_path: Path) -> None:
    numbers = make_plan(foresee(tmp_path, *ONE_WORKER), None)
    voxels = [math.prod(shape) for shape in ((201, 1024, 768), (201, 512, 384), (101, 256, 192), (51, 128, 96))]
    assert numbers["tiff_bytes"] == 597 * voxels[0] * 2  # 188.7 GB
    assert numbers["written_bytes_of"] == {"raw": 597 * sum(voxels) * 2, "result": 597 * sum(voxels) * 4}
    jobs = {rule["rule"]: rule["jobs"] for rule in numbers["rules"]}
    assert jobs == {
        "inventory": 1,
        "psf": 3,
        "ingest": 3 * 17,
        "deconvolve": 1,
        "workers": 1,
        "consolidate": 1,
        "report": 1,
    }


def test_a_run_on_two_cores_takes_the_sum_of_its_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "SMALL_INGEST", 0)  # so that ingest has both cores, and waits for the PSF
    work, place = reference(tmp_path, *SMALL)
    forecast = Schedule(work, *simple(place))
    fixed = schedule.COPY_SECONDS
    jobs = fixed["ingest"] + 2 + fixed["deconvolve"] + 3.0 + 2 * 10 + fixed["consolidate"] + fixed["report"]
    first = fixed["psf"] + schedule.HEAD_SECONDS + schedule.SERVER_SECONDS  # beside the inventory
    volumes = 2 * sum(schedule.VOLUME_SECONDS.values()) + 2 * 28 * 60 * 76 * schedule.PICTURE_SECONDS
    assert forecast.seconds == pytest.approx(first + jobs + volumes)


def test_slurm_has_one_coordinator_at_a_time_and_no_more_workers_than_volumes(tmp_path: Path) -> None:
    profile = str(ROOT / "profiles" / "slurm")
    many = [*SMALL, "--profile", profile, "--timepoints", "6", "--timepoints-per-job", "3", "--workers", "4"]
    work, place = reference(tmp_path, *many)
    assert (place.slurm_jobs, place.workers, place.worker.cores, place.cluster) == (100, 4, 8, "cpu")
    assert {rule: share.partition for rule, share in place.shares.items()} == dict.fromkeys(
        ("ingest", "deconvolve", "consolidate", "workers"), "cpu"
    )
    shares = {**place.shares, "workers": place.worker._replace(cores=2)}
    numbers = make_plan(Schedule(work, *simple(place, shares=shares)), None)
    notice, start = job_simulation.NOTICE_SECONDS, schedule.LAUNCH_SECONDS
    ingest = schedule.JOB_SECONDS["ingest"] + start + 6 + notice
    deconvolve = schedule.JOB_SECONDS["deconvolve"] + start + 3 + 10 + notice
    assert numbers["stages"]["deconvolve"] == pytest.approx((ingest, ingest + 2 * deconvolve))
    assert numbers["workers_at_a_time"] == 3


@pytest.mark.parametrize(
    ("shape", "channels", "timepoints", "seconds"), [("67 256 256", 2, 4, 11.6), ("101 512 384", 1, 4, 14.7)]
)
def test_without_a_pilot_it_comes_near_to_runs_on_a_quiet_machine(
    shape: str, channels: int, timepoints: int, seconds: float, tmp_path: Path
) -> None:
    """Those of benchmarks/results/end_to_end.md; their PSFs are cropped to about this size."""
    sizes = ["--shape", *shape.split(), "--psf-shape", "57", "21", "23"]
    movie = ["--channels", str(channels), "--timepoints", str(timepoints)]
    forecast = foresee(tmp_path, *sizes, *movie, "--cores", "2", "--engine", "cpu").seconds
    assert seconds / 1.25 < forecast < seconds * 1.25


def test_what_does_not_fit_is_said_with_what_to_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work, place = reference(
        *(tmp_path, "--profile", str(ROOT / "profiles" / "slurm")),
        *("--timepoints-per-job", "9", "--workers", "10"),
    )
    tight = place._replace(
        shares={
            **place.shares,
            "workers": place.worker._replace(limit=2.0, memory=10**9),
            "ingest": place.shares["ingest"]._replace(limit=2.0),
        }
    )
    free_bytes(10**9, monkeypatch)
    tight_plan = make_plan(Schedule(work, tight, make_builtin_rates(work, "cpu", "")), Path("results"))
    text = "\n".join(tight_plan["remarks"])
    assert "no volume can be finished. Raise `walltime` or `cores` in section cpu of jobqueue.yaml" in text
    assert "gets 1.0 GB (section cpu of jobqueue.yaml): volumes are cut into overlapping blocks" in text
    assert "A job of ingest takes" in text
    assert "raise its `runtime` in the profile" in text
    assert "A block has 27 volumes for up to 10 workers" in text
    assert "The disk of results has 1.0 GB free, and 727.8 GB are to be written" in text
    assert "How long jobs wait in SLURM's queue is not known" in text


def test_a_disk_with_room_only_for_what_is_compressed_is_said_to_be_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forecast = foresee(tmp_path, *SMALL, pilot=pilot((28, 60, 76), float))
    free_bytes(10**6, monkeypatch)
    assert any("would fit, but the run is refused" in remark for remark in make_plan(forecast, tmp_path)["remarks"])
    free_bytes(10**9, monkeypatch)
    assert not make_plan(forecast, tmp_path)["remarks"]


def test_engines_that_we_did_not_measure_are_said_to_be_guessed(tmp_path: Path) -> None:
    on_gpu = make_plan(foresee(tmp_path, "--profile", str(ROOT / "profiles" / "slurm"), "--cluster", "gpu"), None)
    assert on_gpu["method"]["engine"] == "gpu"
    assert on_gpu["gpu_memory_bytes"]
    assert {rule["rule"]: rule["partition"] for rule in on_gpu["rules"]}["workers"] == "gpu"
    assert any("Engine gpu was not measured: by a model" in remark for remark in on_gpu["remarks"])
    assert on_gpu["volumes_in_hand"] > 3
    assert "its GPU computes" in on_gpu["rate"]
    assert any("the disk would bound the rate" in remark for remark in on_gpu["remarks"]), "of 100 workers"


def test_what_is_done_is_not_planned_again(tmp_path: Path) -> None:
    tiny_run.simulate(tmp_path / "my data")
    run = tiny_run.prepare(tmp_path)
    work = workload.find_work(run)
    ingest = [run.name_ingest_manifest(channel, "t0000") for channel in run.channels]
    assert (work.ingest, work.blocks) == (dict.fromkeys(ingest, 2), (Block(4, tuple(ingest)),))
    tiny_run.finish(run)
    (run.results.folder / "report.html").write_text(read_identity(run.results.store))
    done = workload.find_work(run)
    assert (done.ingest, done.blocks) == ({}, ())
    assert (done.publish, done.psfs, done.report) == (False, 0, False)
    place = place_module.describe_place(run, place_module.describe_machine(2))
    idle = make_plan(Schedule(done, place, choose_rates(done, place, None)), None)
    assert not idle["rules"]
    assert "Nothing is to be done." in format_plan(idle)


@pytest.mark.slow
def test_other_iterations_and_a_lost_shard_are_planned_again(tmp_path: Path) -> None:
    run = tiny_run.make(tmp_path)
    config: dict[str, Any] = copy.deepcopy(dict(run.config))
    config["deconvolution"]["iterations"] = 3
    changed = workload.find_work(dataclasses.replace(run, config=config))
    assert [block.volumes for block in changed.blocks] == [4]
    assert changed.count_due("raw") == 0
    channel = run.channels[1]
    (run.results.work("raw", channel) / "0" / "c" / "1" / "0" / "0" / "0").unlink()
    work = workload.find_work(run)
    assert list(work.ingest.values()) == [0, 1], "of one channel the manifest is missing alone"
    assert [block.volumes for block in work.blocks] == [1]


def test_the_command_plans_the_reference_acquisition(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", "--profile", str(ROOT / "profiles" / "slurm"), "--timepoints-per-job", "20"]) == 0
    text = capsys.readouterr().out
    assert "3 channels x 199 timepoints = 597 of (201, 1024, 768) uint16 (z, y, x), 188.7 GB of source files" in text
    assert "100 SLURM jobs at a time" in text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--engine", "fpga"], "config key deconvolution.engine: 'fpga' is not one of"),
        (["--profile", "nowhere"], "--profile nowhere: there is no nowhere/config.yaml"),
        (["--profile", str(ROOT / "profiles" / "slurm"), "--cluster", "big"], "has no section 'big'"),
        (
            ["--boundary", "replicate", "--acceleration", "none", "--engine", "itk", "--output-dtype", "x"],
            "output.dtype",
        ),
        (["--pilot", "nowhere.json"], "--pilot nowhere.json: this is no pilot.json"),
    ],
)
def test_a_mistake_is_answered_with_a_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["plan", *arguments]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--timepoints", "--cores", "--workers"])
def test_less_than_one_is_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["plan", option, "0"])
    assert f"argument {option}: 0 is less than 1" in capsys.readouterr().err


def test_a_profile_without_slurm_is_this_machine() -> None:
    assert place_module.read_profile(ROOT / "profiles" / "default")["slurm_jobs"] is None
    with pytest.raises(InputError, match="there is no"):
        place_module.read_profile(ROOT)
