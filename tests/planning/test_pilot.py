"""The pilot: what it measures, and that it leaves nothing behind."""

import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tifffile
from scipy.signal import fftconvolve

from lightsheet.deconvolution import engines
from lightsheet.planning import measure as measure_module, pilot, pilot_plan, planes
from lightsheet.planning.suggestion import find_suggestion
from lightsheet.planning.trials import Trials
from lightsheet.run.run import Run
from lightsheet.store.paths import VolumeKey
from lightsheet.system import files
from tests.support import fake_cupy
from tests.support.families import parametrize
from tests.support.pilots import CHANNEL, configure
from tests.support.project import ROOT

RUN_KEYS = {
    "iterations",
    "seconds",
    "written_bytes",
    "memory_bytes",
    "gpu_memory_bytes",
    "residual",
    "resolution_voxels",
}


def measure(run: Run, look: Callable[[Path], None] = lambda _: None) -> tuple[dict[str, Any], Any]:
    """Measure without Dask, the first channel alone."""
    plan = pilot_plan.plan_pilot(run)
    plan["channels"] = {CHANNEL: plan["channels"][CHANNEL]}
    plan["methods"] = [{**method, "fill": {CHANNEL: None}} for method in plan["methods"]]

    def call(function: Callable[..., None], tasks: Mapping[str, Mapping[str, Any]], action: str) -> None:
        assert action in ("pilot, ingest", "pilot, suggest iterations", "pilot, deconvolve")
        for task in tasks.values():
            function(**task)
            look(task["task"]["scratch"].folder)

    with pilot.make_scratch(run.results) as scratch:
        channels, pictures = Trials(run.results, scratch, plan, pilot_plan.plan_layouts(run), call, 1, None).measure()
        return channels[CHANNEL], pictures


def volume(run: Run, timepoint: int) -> np.ndarray:
    """Assemble a volume by other means: two tiles along x."""
    pieces = sorted(run.acquisition.folder.glob(f"*ch0*stack{timepoint:04d}*"))
    return np.concatenate([tifffile.imread(path) for path in pieces], axis=2)


def contents(folder: Path) -> dict[Path, str]:
    return {path: files.digest_sha256(path) for path in folder.rglob("*") if path.is_file()}


def test_everything_is_measured_and_nothing_is_left_behind(planned: Run) -> None:
    results = planned.results
    files.write_text(results.record(VolumeKey("raw", CHANNEL, 0)), "of a run")
    files.write_text(results.work("result", CHANNEL) / "0" / "c" / "0" / "0" / "0" / "0", "of a run too")
    before, shards = contents(results.folder), {"raw": 0, "result": 0}

    def look(scratch: Path) -> None:
        for kind in shards:
            shards[kind] = max(shards[kind], len(list(scratch.glob(f"**/work/{kind}/**/c/*/0/0/0"))))

    channel, pictures = measure(configure(planned, iterations=[1, 3], methods=[{"acceleration": "heavy-ball"}]), look)
    assert contents(results.folder) == before
    assert shards == {"raw": 1, "result": 0}, "of a deconvolution nothing but numbers and pictures is kept"
    assert [method["settings"]["acceleration"] for method in channel["methods"]] == ["none", "heavy-ball"]
    tiffs = planned.acquisition.folder.glob("*ch0*stack0000*")
    assert channel["ingest"]["read_bytes"] == sum(path.stat().st_size for path in tiffs)
    assert channel["ingest"]["written_bytes"] > 0
    assert channel["ingest"]["check_seconds"] < 5
    for number, method in enumerate(channel["methods"]):
        counts = {run["iterations"] for run in method["runs"]}
        assert counts >= {1, 2, 3}, "2 are the configuration's own"
        for run in method["runs"]:
            assert set(run) >= RUN_KEYS
            assert set(run["seconds"]) == {"read", "deconvolve", "write"}
            assert 0 < run["residual"] < 1
            assert pictures[CHANNEL, number, run["iterations"]]["xy"].dtype == np.float32
        (proposing,) = [run for run in method["runs"] if "storages" in run]
        assert proposing["iterations"] == (method["suggested"] if method["suggested"] in counts else 3)
        storages = proposing["storages"]
        assert storages["full"]["bytes"] == proposing["written_bytes"] > 2 * storages["precision"]["bytes"]
        assert storages["full"]["bytes"] > 2 * storages["uint16"]["bytes"]
        assert storages["full"]["rounding_error"] == 0 < storages["precision"]["rounding_to_noise"] < 1 / 3


@parametrize(
    ("output", "name"), [({"precision": "auto"}, "precision"), ({"dtype": "uint16", "scale": "auto"}, "uint16")]
)
def test_a_lossy_run_is_measured_as_it_is_and_compared_with_full(
    planned: Run, output: dict[str, Any], name: str
) -> None:
    lossy = dataclasses.replace(planned, config={**planned.config, "output": {**planned.config["output"], **output}})
    channel, _ = measure(configure(lossy, iterations=[3]))
    (run,) = [run for run in channel["methods"][0]["runs"] if "storages" in run]
    assert run["storages"][name]["bytes"] == pytest.approx(run["written_bytes"], rel=0.02)
    assert run["storages"]["full"]["bytes"] > 2 * run["written_bytes"]


@pytest.mark.slow
def test_a_gpu_is_warmed_up_and_its_memory_told(planned: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_cupy.install(monkeypatch)
    freed: list[bool] = []
    pool = sys.modules["cupy"].get_default_memory_pool()
    monkeypatch.setattr(pool, "free_all_blocks", lambda: freed.append(True))
    monkeypatch.setattr(pool, "total_bytes", lambda: 12345)
    done: list[int] = []

    original = measure_module.deconvolve_volume

    def count(*arguments: Any, **options: Any) -> Any:
        done.append(arguments[3]["iterations"])
        return original(*arguments, **options)

    monkeypatch.setattr(measure_module, "deconvolve_volume", count)
    deconvolution = {**planned.config["deconvolution"], "engine": "gpu", "iterations": 3}
    on_gpu = dataclasses.replace(planned, config={**planned.config, "deconvolution": deconvolution})
    (method,) = measure(configure(on_gpu, iterations=[3]))[0]["methods"]
    assert [run["gpu_memory_bytes"] for run in method["runs"]] == [12345] * len(method["runs"])
    assert done == [n for run in method["runs"] for n in (1, run["iterations"])]
    assert freed


def test_a_crop_holds_the_pixels_of_the_volume_at_its_place(planned: Run) -> None:
    crop = {"z": [1, 5], "x": [3, 23]}
    _, pictures = measure(configure(planned, iterations=[1], timepoint=1, crop=crop))
    whole = volume(planned, 1)[1:5, :, 3:23]
    z, y, _ = planes.find_spot(whole)
    np.testing.assert_array_equal(pictures[CHANNEL,]["xy"], whole[z])
    np.testing.assert_array_equal(pictures[CHANNEL,]["xz"], whole[:, y])
    assert whole[z].max() == 5000


def test_a_killed_pilot_leaves_nothing_for_the_next(planned: Run) -> None:
    remains = planned.results.folder / "work" / "pilot" / "work" / "raw" / "old"
    files.write_text(remains, "from a pilot that was killed")

    def fail() -> None:
        with pilot.make_scratch(planned.results) as scratch:
            assert list(scratch.folder.iterdir()) == []
            files.write_text(scratch.folder / "measured" / "x.json", "half a pilot")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not remains.parents[2].exists()


@pytest.mark.slow
def test_the_suggestion_is_what_auto_finds_and_foreign_engines_borrow_it() -> None:
    rng = np.random.default_rng(0)
    spread = np.exp(-0.5 * ((np.indices((9, 9, 9)) - 4) ** 2).sum(axis=0) / 2)
    truth = np.zeros((12, 24, 24))
    truth[6, 12, 12] = truth[5, 7, 16] = 3e4
    blurred = fftconvolve(truth, spread / spread.sum(), mode="same").clip(0)
    raw = (100 + rng.poisson(blurred + 5)).astype(np.uint16)
    settings = {"engine": "cpu", "boundary": "extended", "acceleration": "heavy-ball", "background": 100}
    suggestion = find_suggestion(raw, spread, settings, 1, [100])
    assert suggestion.least_error == engines.resolve_iterations(
        np.maximum(raw - np.float32(100), 0), spread, acceleration="heavy-ball", threads=1
    )
    again = find_suggestion(raw, spread, {**settings, "engine": "itk", "boundary": "replicate"}, 1, [100])
    assert again[:1] + again[2:] == suggestion[:1] + suggestion[2:]
    assert "told with boundary: extended" in again.reason
    assert "told with boundary: extended" not in suggestion.reason


PEAK = """
import json, numpy as np, psutil
from lightsheet.planning.measure import watch_peak
held = psutil.Process().memory_info().rss
np.ones(100_000_000, np.uint8)  # an earlier peak, gone
with watch_peak("cpu") as used:
    np.ones(40_000_000, np.uint8)
print(json.dumps([used["memory_bytes"] - held, used["gpu_memory_bytes"]]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells a process's peak")
def test_the_peak_is_that_of_the_block() -> None:
    """In a process of its own: in one that has freed much, the block's array may be where others were."""
    ended = subprocess.run(
        [sys.executable, "-c", PEAK], cwd=ROOT / "scripts", capture_output=True, text=True, check=True
    )
    growth, of_the_gpu = json.loads(ended.stdout)
    assert 30_000_000 < growth < 80_000_000
    assert of_the_gpu is None


def test_the_age_of_a_job_is_that_of_its_process() -> None:
    created = psutil.Process().create_time()
    assert 0 < pilot.measure_job_age() < time.time() - created + 2
