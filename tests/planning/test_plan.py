"""The plan: schedules worked out by hand, sizes counted by hand, and measurements that it must give back."""

import copy
import dataclasses
import math
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lightsheet import cli
from lightsheet.planning import job_simulation, place as place_module, schedule, workload
from lightsheet.planning.builtin_rates import make_builtin_rates
from lightsheet.planning.imaginary_run import imagine_run
from lightsheet.planning.job_simulation import Task
from lightsheet.planning.pilot_rates import choose_rates
from lightsheet.planning.place import Place
from lightsheet.planning.plan import make_plan
from lightsheet.planning.plan_text import format_plan
from lightsheet.planning.rates import Rates
from lightsheet.planning.schedule import Schedule
from lightsheet.planning.workload import Block, Work
from lightsheet.processing import name_storage
from lightsheet.run import jobs as jobs_module
from lightsheet.run.publication import read_identity
from lightsheet.system.errors import InputError
from tests.support import tiny_run

ROOT = Path(__file__).parents[2]
SETTINGS = {"engine": "cpu", "boundary": "extended", "acceleration": "none", "background": 100}


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep which jobqueue.yaml the command chooses from the tests that follow in this process."""
    monkeypatch.setattr(os, "environ", os.environ.copy())


def test_jobs_share_cores_and_wait_for_each_other() -> None:
    tasks = [
        Task("a", "ingest", 3.0, 2),
        Task("b", "ingest", 3.0, 2),
        Task("c", "deconvolve", 10.0, 4, ("a", "b")),
        Task("d", "ingest", 5.0, 2),
        Task("e", "deconvolve", 1.0, 99, ("d",)),
    ]
    # a and b side by side; c takes all four cores as soon as both are in, so d waits, though it could have begun
    assert job_simulation.simulate_jobs(tasks, 4) == {
        "a": (0, 3),
        "b": (0, 3),
        "c": (3, 13),
        "d": (13, 18),
        "e": (18, 19),
    }


def test_among_jobs_that_can_start_a_smaller_one_fills_the_gap() -> None:
    tasks = [Task("a", "x", 4.0, 1), Task("b", "x", 1.0, 2), Task("c", "x", 2.0, 1)]
    assert job_simulation.simulate_jobs(tasks, 2) == {"a": (0, 4), "c": (0, 2), "b": (4, 5)}


def test_the_end_of_a_slurm_job_is_seen_a_moment_later() -> None:
    tasks = [Task("a", "ingest", 2, in_slurm=True), Task("b", "report", 5, 1, ["a"])]
    notice = job_simulation.NOTICE_SECONDS
    assert job_simulation.simulate_jobs(tasks, 9) == {"a": (0, 2 + notice), "b": (2 + notice, 7 + notice)}


@pytest.mark.parametrize(
    ("volumes", "workers", "lifetime", "seconds"),
    [
        (0, 4, math.inf, 0),
        (1, 4, math.inf, 100 + 60),
        (9, 4, math.inf, 3 * 100 + 60),
        (9, 4, 250, 3 * 100 + 2 * 60),  # two volumes a life, so the first of four workers is replaced
        (9, 4, 50, 3 * 100 + 3 * 60),  # one volume it may try whatever the time
    ],
)
def test_workers_take_rounds_and_are_replaced(volumes: int, workers: int, lifetime: float, seconds: float) -> None:
    assert job_simulation.simulate_workers(volumes, workers, 100.0, 60.0, lifetime) == seconds


def reference(tmp_path: Path, *arguments: str) -> tuple[Work, Place]:
    options = vars(cli.build_parser().parse_args(["plan", *arguments]))
    run = imagine_run(tmp_path, options)
    return workload.find_work(run), place_module.describe_place(run, place_module.choose_place(options))


def free_bytes(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every disk have so many bytes free."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=number))


def foresee(tmp_path: Path, *arguments: str, pilot: dict[str, Any] | None = None) -> Schedule:
    work, place = reference(tmp_path, *arguments)
    return Schedule(work, place, choose_rates(work, place, pilot))


def pilot(shape: tuple[int, ...], seconds: Any, **settings: Any) -> dict[str, Any]:
    """Make a pilot of one channel whose deconvolutions took `seconds(iterations)`."""
    runs = [
        {
            "iterations": n,
            "seconds": {"read": 1.0, "deconvolve": seconds(n), "write": 2.0},
            "written_bytes": 1000 * n,
            "gpu_memory_bytes": None,
        }
        for n in (1, 10, 40)
    ]
    method = {"settings": {**SETTINGS, **settings}, "suggested": 13, "runs": runs}
    ingest = {"seconds": 4.0, "written_bytes": 50_000, "check_seconds": 0.5}
    return {
        "cores": 2,
        "host": "here",
        "slurm_job": None,
        "shape": list(shape),
        "psf_shape": [5, 5, 5],
        "start_seconds": {"job": 2.0, "workers": 3.0},
        "channels": {"channel0": {"ingest": ingest, "methods": [method]}},
    }


ONE_WORKER = ("--cores", "2", "--workers", "1", "--engine", "cpu")
SMALL = ("--channels", "1", "--timepoints", "2", *ONE_WORKER, "--shape", "28", "60", "76")


def test_the_reference_acquisition_is_counted_without_its_pixels(tmp_path: Path) -> None:
    counted = make_plan(foresee(tmp_path, *ONE_WORKER), None)
    voxels = [math.prod(shape) for shape in ((201, 1024, 768), (201, 512, 384), (101, 256, 192), (51, 128, 96))]
    assert counted["tiff_bytes"] == 597 * voxels[0] * 2  # 188.7 GB
    assert counted["written_bytes_of"] == {"raw": 597 * sum(voxels) * 2, "result": 597 * sum(voxels) * 4}
    jobs = {rule["rule"]: rule["jobs"] for rule in counted["rules"]}
    assert jobs == {
        "inventory": 1,
        "psf": 3,
        "ingest": 3 * 17,
        "deconvolve": 1,
        "workers": 1,
        "consolidate": 1,
        "report": 1,
    }


def test_built_in_seconds_are_those_that_the_benchmark_found(tmp_path: Path) -> None:
    work, _ = reference(tmp_path, "--psf-voxel-size", "0.3", "0.104", "0.104")  # as sampled, (101, 64, 64)
    rates = make_builtin_rates(work, "cpu", "")
    assert work.psf_shape == (101, 64, 64)
    assert rates.estimate_volume_seconds(work, 2)[0] == pytest.approx(1.0 + 10 * 1.2)
    assert rates.estimate_volume_seconds(work, 8)[0] < rates.estimate_volume_seconds(work, 2)[0] / 2


def test_a_pilot_of_the_whole_volume_is_given_back(tmp_path: Path) -> None:
    foreseen = foresee(tmp_path, *SMALL, pilot=pilot((28, 60, 76), lambda n: 0.5 + 0.25 * n))
    assert foreseen.volume_seconds == pytest.approx(0.5 + 10 * 0.25 + 3.0)
    assert make_plan(foreseen, None)["written_bytes_of"] == {"raw": 2 * 50_000, "result": 2 * 10_000}
    assert "of the pilot" in foreseen.rates.source


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
    tried = pilot((28, 60, 76), lambda n: 0.1 * n)
    sizes = {"full": 10_000, "precision": 4_000, "uint16": 2_000}
    runs = tried["channels"]["channel0"]["methods"][0]["runs"]
    runs[1]["storages"] = {name: {"bytes": size} for name, size in sizes.items()}
    foreseen = foresee(tmp_path, *SMALL, pilot=tried)
    config = {**foreseen.work.run.config, "output": {**foreseen.work.run.config["output"], **output}}
    work = foreseen.work._replace(run=dataclasses.replace(foreseen.work.run, config=config))
    rates = choose_rates(work, foreseen.place, tried)
    assert rates.stored["result"] * work.run.layouts["result"].count_volume_bytes() == pytest.approx(stored)
    builtin = {"full": 1, "precision": 0.5, "uint16": 1}[name_storage(config["output"])]
    assert choose_rates(work, foreseen.place, None).stored == {"raw": 1, "result": builtin}


def test_a_pilot_of_a_crop_is_scaled_by_padded_voxels(tmp_path: Path) -> None:
    # (28, 60, 76) and a PSF of 5: padded to (32, 64, 80); the crop (12, 28, 28) to (16, 32, 32), a tenth of it
    foreseen = foresee(tmp_path, *SMALL, pilot=pilot((12, 28, 28), lambda n: 0.5 + 0.25 * n))
    compute, transfer = foreseen.rates.estimate_volume_seconds(foreseen.work, 2)
    assert compute == pytest.approx(10 * (0.5 + 10 * 0.25))
    assert transfer == pytest.approx(3.0 * 28 * 60 * 76 / (12 * 28 * 28))


def test_noise_in_few_runs_makes_no_negative_time(tmp_path: Path) -> None:
    falling = {1: 3.0, 10: 2.0, 40: 1.0}
    foreseen = foresee(tmp_path, *SMALL, pilot=pilot((28, 60, 76), falling.get))
    assert foreseen.volume_seconds > 0


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
    foreseen = foresee(tmp_path, *SMALL, pilot=other)
    assert "built-in" in foreseen.rates.source
    assert "the pilot did not try engine: cpu, boundary: extended, acceleration: none" in foreseen.rates.remarks[0]


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


def simple(place: Place, **changes: Any) -> tuple[Place, Rates]:
    """Return a place, and rates with which a volume of `SMALL` takes 1 s to ingest and 10 s to deconvolve."""
    voxels, stored = 28 * 60 * 76, {"raw": 1.0, "result": 1.0}
    compute = 5 / (32 * 64 * 80)
    rates = Rates("by hand", 2, (5, 5, 5), 1, 1 / voxels, 5 / voxels, compute, 0.0, stored, 1.0, 3.0)
    return place._replace(**changes), rates


def test_a_run_on_two_cores_takes_the_sum_of_its_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "SMALL_INGEST", 0)  # so that ingest has both cores, and waits for the PSF
    work, place = reference(tmp_path, *SMALL)
    foreseen = Schedule(work, *simple(place))
    fixed = schedule.COPY_SECONDS
    jobs = fixed["ingest"] + 2 + fixed["deconvolve"] + 3.0 + 2 * 10 + fixed["consolidate"] + fixed["report"]
    first = fixed["psf"] + schedule.HEAD_SECONDS + schedule.SERVER_SECONDS  # beside the inventory
    volumes = 2 * sum(schedule.VOLUME_SECONDS.values()) + 2 * 28 * 60 * 76 * schedule.PICTURE_SECONDS
    assert foreseen.seconds == pytest.approx(first + jobs + volumes)


def test_slurm_has_one_coordinator_at_a_time_and_no_more_workers_than_volumes(tmp_path: Path) -> None:
    profile = str(ROOT / "profiles" / "slurm")
    many = [*SMALL, "--profile", profile, "--timepoints", "6", "--timepoints-per-job", "3", "--workers", "4"]
    work, place = reference(tmp_path, *many)
    assert (place.slurm_jobs, place.workers, place.worker.cores, place.cluster) == (100, 4, 8, "cpu")
    assert {rule: share.partition for rule, share in place.shares.items()} == dict.fromkeys(
        ("ingest", "deconvolve", "consolidate", "workers"), "cpu"
    )
    shares = {**place.shares, "workers": place.worker._replace(cores=2)}
    counted = make_plan(Schedule(work, *simple(place, shares=shares)), None)
    notice, start = job_simulation.NOTICE_SECONDS, schedule.LAUNCH_SECONDS
    ingest = schedule.JOB_SECONDS["ingest"] + start + 6 + notice
    deconvolve = schedule.JOB_SECONDS["deconvolve"] + start + 3 + 10 + notice
    assert counted["stages"]["deconvolve"] == pytest.approx((ingest, ingest + 2 * deconvolve))
    assert counted["workers_at_a_time"] == 3


@pytest.mark.parametrize(
    ("shape", "channels", "timepoints", "seconds"), [("67 256 256", 2, 4, 11.6), ("101 512 384", 1, 4, 14.7)]
)
def test_without_a_pilot_it_comes_near_to_runs_on_a_quiet_machine(
    shape: str, channels: int, timepoints: int, seconds: float, tmp_path: Path
) -> None:
    """Those of benchmarks/results/end_to_end.md; their PSFs are cropped to about this size."""
    sizes = ["--shape", *shape.split(), "--psf-shape", "57", "21", "23"]
    movie = ["--channels", str(channels), "--timepoints", str(timepoints)]
    foreseen = foresee(tmp_path, *sizes, *movie, "--cores", "2", "--engine", "cpu").seconds
    assert seconds / 1.25 < foreseen < seconds * 1.25


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
    foreseen = foresee(tmp_path, *SMALL, pilot=pilot((28, 60, 76), float))
    free_bytes(10**6, monkeypatch)
    assert any("would fit, but the run is refused" in remark for remark in make_plan(foreseen, tmp_path)["remarks"])
    free_bytes(10**9, monkeypatch)
    assert not make_plan(foreseen, tmp_path)["remarks"]


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
