"""The pilot on a worker: one volume is ingested and deconvolved by the run's own functions, and that is measured.

No result is kept: each function writes its numbers, and some planes of the volume, into the pilot's scratch folder.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import tifffile
import zarr

from lightsheet.deconvolution import find_brightest_part, resolve_iterations, try_engine
from lightsheet.planning.peak_memory import watch_peak
from lightsheet.planning.planes import find_spot, keep_pictures, locate_planes
from lightsheet.processing import (
    deconvolve_volume,
    estimate_background,
    find_stored_per_count,
    ingest_volume,
    subtract_background,
)
from lightsheet.sources import Tiles, open_mosaic, read_stack
from lightsheet.store import Results, StoreLayout, VolumeKey, find_fault, read_volume, time_stage
from lightsheet.system import InputError, write_json, write_whole

REPLICATE_REMARK = (
    " (told with boundary: extended, which alone can hold voxels out; on simulations that number suits boundary: "
    "replicate too, where it ends within 7 % of the least error)"
)
"""Of 30 to 1000 photons, plain and with heavy-ball momentum, measured as benchmarks/quality.py does."""

MEMORY_LOCK = Lock()
"""A worker that has several volumes at a time measures one by one, because they share its memory."""


class Trial(NamedTuple):
    """Something to measure of a raw volume: where it is, or will be, ingested, and a name for the files about it."""

    scratch: Results
    volume: VolumeKey
    name: str

    def name_file(self, suffix: str) -> Path:
        """Name the file of what was measured (`.json`), or of planes `xy` and `xz`, float32 counts (`.npz`)."""
        return self.scratch.folder / "measured" / f"{self.name}{suffix}"

    def read_raw(self, threads: int) -> np.ndarray:
        """Read the ingested volume (z, y, x)."""
        return read_volume(self.scratch.work("raw", self.volume.channel), self.volume.timepoint, threads)


def measure_ingest(trial: Trial, tiles: Tiles, plan: Mapping[str, Any], layout: StoreLayout, threads: int) -> None:
    """Ingest a volume, or a crop of it that is written as a TIFF first; check its shards; find what to show.

    Writes `seconds`, `read_bytes`, `written_bytes`, `check_seconds`, and the `spot` (z, y, x) that is shown.
    """
    shape = layout.levels[0].shape
    if shape != tuple(plan["volume"]):
        path = trial.scratch.folder / "crops" / f"{trial.volume.channel}.tif"
        _write_crop(path, tiles, plan)
        tiles = [((0, 0, 0), [(str(path), None)])]
    record = ingest_volume(trial.scratch, trial.volume, tiles, layout, threads)
    seconds: dict[str, float] = {}
    with time_stage(seconds, "check"):
        _check_shards(trial, record["shards"], layout)
    raw = trial.read_raw(threads)
    spot = find_spot(raw)
    planes = locate_planes(shape, spot, plan["voxel_size"])
    keep_pictures(trial.name_file(".npz"), {name: raw[index] for name, index in planes.items()})
    numbers = {
        "seconds": record["seconds"]["ingest"],
        "read_bytes": sum(map(_count_bytes_read, record["sources"])),
        "written_bytes": sum(shard["bytes"] for shard in record["shards"]),
        "check_seconds": round(seconds["check"], 4),
        "spot": spot,
    }
    write_json(trial.name_file(".json"), numbers)


def _write_crop(path: Path, tiles: Tiles, plan: Mapping[str, Any]) -> None:
    z, y, x = (slice(*span) for span in plan["region"])
    with open_mosaic(tiles, plan["volume"], plan["dtype"]) as volume:
        pixels = volume[z, y][:, :, x]
    with write_whole(path) as part:
        tifffile.imwrite(part, pixels, photometric="minisblack", metadata={"axes": "ZYX"})


def _check_shards(trial: Trial, shards: Sequence[Mapping[str, Any]], layout: StoreLayout) -> None:
    """Read shards and compare them with their digests, as consolidation does."""
    for shard, level in zip(shards, layout.levels, strict=True):
        path = trial.scratch.shard(trial.volume, shard["level"])
        chunks = prod(n // c for n, c in zip(level.shape, level.chunk, strict=True))
        if fault := find_fault(path, chunks, shard["bytes"], shard["blake3"]):
            raise InputError(f"{path} {fault}; look at this disk before a run trusts it")


def _count_bytes_read(source: Mapping[str, Any]) -> int:
    """Return the bytes of a file, or the share of the pages that are the volume's."""
    pages = source.get("pages")
    share = len(range(*pages[:3])) / pages[3] if pages and len(pages) > 3 else 1.0
    size: int = source["bytes"]
    return round(size * share)


def suggest_iterations(trial: Trial, psf: Path, settings: Mapping[str, Any], threads: int) -> None:
    """Write how many iterations of a method the volume bears: `suggested`, a number or None, and the `reason`."""
    iterations, reason = find_suggestion(trial.read_raw(threads), read_stack(psf), settings, threads)
    write_json(trial.name_file(".json"), {"suggested": iterations, "reason": reason})


def find_suggestion(
    raw: np.ndarray, psf: np.ndarray, settings: Mapping[str, Any], threads: int
) -> tuple[int | None, str]:
    """Return the iterations that a volume (z, y, x) bears, or None, and the reason in words."""
    background = settings["background"]
    if background == "auto":
        background = estimate_background(raw)
    part = subtract_background(find_brightest_part(raw), background)
    try:
        iterations = resolve_iterations(part, psf, acceleration=settings["acceleration"], threads=threads)
    except InputError as error:
        return None, str(error).removeprefix("iterations: ")
    reason = (
        "a tenth of the voxels of the brightest part was held out, and how well they are predicted tells that more "
        f"than {iterations} iterations would fit noise"
    )
    return iterations, reason + ("" if settings["boundary"] == "extended" else REPLICATE_REMARK)


def measure_deconvolution(
    trial: Trial,
    psf: Path,
    settings: Mapping[str, Any],
    layout: StoreLayout,
    spot: Sequence[int],
    voxel_size: Mapping[str, float],
    threads: int,
    memory: int | None,
) -> None:
    """Deconvolve the ingested volume as a run would; keep planes through the `spot` (z, y, x), and the numbers."""
    volume, raw = trial.volume._replace(kind="result"), trial.scratch.work("raw", trial.volume.channel)
    with MEMORY_LOCK:
        try_engine(settings["engine"])
        if settings["engine"] == "gpu":  # cuFFT's plans are made for a shape, and live as long as the worker
            with _make_results(trial) as results:
                warm_up = {**settings, "iterations": 1}
                deconvolve_volume(results, volume, psf, warm_up, layout, "pilot", threads, memory, raw)
        with _make_results(trial) as results:
            with watch_peak(settings["engine"]) as peak:
                record = deconvolve_volume(results, volume, psf, settings, layout, "pilot", threads, memory, raw)
            array = zarr.open_array(results.work("result", volume.channel) / "0", mode="r")
            planes, scale = locate_planes(array.shape[1:], spot, voxel_size), find_stored_per_count(settings)
            counts = {name: np.divide(array[volume.timepoint, *index], scale) for name, index in planes.items()}
            keep_pictures(trial.name_file(".npz"), counts)
    numbers = {
        **{key: record["statistics"][key] for key in ("iterations", "residual", "resolution_voxels", "background")},
        **{key: record[key] for key in ("seconds", "host", "slurm_job")},
        "written_bytes": sum(shard["bytes"] for shard in record["shards"]),
        "memory_bytes": peak.host,
        "gpu_memory_bytes": peak.gpu,
    }
    write_json(trial.name_file(".json"), numbers)


@contextmanager
def _make_results(trial: Trial) -> Iterator[Results]:
    """Make a folder for one deconvolution, and remove it: workers do several of a volume at a time."""
    with tempfile.TemporaryDirectory(dir=trial.scratch.folder, ignore_cleanup_errors=True) as folder:
        yield Results(Path(folder))
