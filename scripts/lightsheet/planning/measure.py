"""The pilot, on a worker: ingest, suggestion and deconvolution of one volume by the run's own functions, measured.

Each function leaves what it found in the pilot's scratch folder. No result stays there: of each, some planes are kept.
"""

import shutil
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import tifffile
import zarr

from lightsheet.deconvolution import find_brightest_part, resolve_iterations, try_engine
from lightsheet.planning.peak_memory import Peak, watch_peak
from lightsheet.planning.scratch import PilotResults
from lightsheet.processing import (
    deconvolve_volume,
    estimate_background,
    find_stored_per_count,
    ingest_volume,
    subtract_background,
)
from lightsheet.sources import Tiles, open_mosaic, read_stack
from lightsheet.store import Record, StoreLayout, VolumeKey, find_fault, read_volume, time_stage
from lightsheet.system import InputError, write_json, write_whole
from lightsheet.viewing import find_spot, keep_pictures, locate_planes

BORROWED = (
    " (told with boundary: extended, which alone can hold voxels out; on simulations that number suits boundary: "
    "replicate too, where it ends within 7 % of the least error)"
)
"""Of 30 to 1000 photons, plain and with heavy-ball momentum, measured as benchmarks/quality.py does."""

ALONE = Lock()
"""Of a worker that has several volumes at a time: measured one by one, for they share its memory."""


def measure_ingest(
    place: PilotResults,
    key: VolumeKey,
    tiles: Tiles,
    plan: Mapping[str, Any],
    layout: StoreLayout,
    threads: int,
) -> None:
    """Ingest a volume, or a crop of it, which is written as a TIFF first; prove its shards; find what to show.

    Parameters
    ----------
    place : Scratch
        Where to; its `numbers` become `seconds`, `read_bytes`, `written_bytes`, `check_seconds`, and the `spot`
        (z, y, x) that is shown.
    key : VolumeKey
        The raw volume.
    tiles : Tiles
        Where its pixels are.
    plan : mapping
        What `lightsheet.planning.sweep.plan_pilot` returned.
    layout : Layout
        Of what is ingested.
    threads : int
        How many chunks are encoded at a time.

    Raises
    ------
    InputError
        If a file cannot be read, or the disk does not return what was written.
    """
    shape = layout.levels[0].shape
    if shape != tuple(plan["volume"]):
        tiles = [((0, 0, 0), [(str(_crop(place.folder / "crops" / f"{key.channel}.tif", tiles, plan)), None)])]
    record = ingest_volume(place, key, tiles, layout, threads)
    seconds: dict[str, float] = {}
    with time_stage(seconds, "check"):
        _prove(place, key, record["shards"], layout)
    raw = read_volume(place.work("raw", key.channel), key.timepoint, threads)
    spot = find_spot(raw)
    keep_pictures(
        place.planes, {name: raw[where] for name, where in locate_planes(shape, spot, plan["voxel_size"]).items()}
    )
    found = {
        "seconds": record["seconds"]["ingest"],
        "read_bytes": sum(map(_bytes_read, record["sources"])),
        "written_bytes": sum(shard["bytes"] for shard in record["shards"]),
        "check_seconds": round(seconds["check"], 4),
        "spot": spot,
    }
    write_json(place.numbers, found)


def _crop(path: Path, tiles: Tiles, plan: Mapping[str, Any]) -> Path:
    z, y, x = (slice(*span) for span in plan["region"])
    with open_mosaic(tiles, plan["volume"], plan["dtype"]) as volume:
        pixels = volume[z, y][:, :, x]
    with write_whole(path) as part:
        tifffile.imwrite(part, pixels, photometric="minisblack", metadata={"axes": "ZYX"})
    return path


def _prove(place: PilotResults, key: VolumeKey, written: Sequence[Mapping[str, Any]], layout: StoreLayout) -> None:
    """Read shards and compare them with their digests, as consolidation does."""
    for shard, level in zip(written, layout.levels, strict=True):
        path = place.shard(key, shard["level"])
        chunks = prod(n // c for n, c in zip(level.shape, level.chunk, strict=True))
        if fault := find_fault(path, chunks, shard["bytes"], shard["blake3"]):
            raise InputError(f"{path} {fault}; look at this disk before a run trusts it")


def _bytes_read(source: Mapping[str, Any]) -> int:
    """Return the bytes of a file, or the share of the pages that are the volume's."""
    pages = source.get("pages")
    share = len(range(*pages[:3])) / pages[3] if pages and len(pages) > 3 else 1.0
    size: int = source["bytes"]
    return round(size * share)


def suggest_iterations(
    place: PilotResults, key: VolumeKey, psf: Path, settings: Mapping[str, Any], threads: int
) -> None:
    """Find out how many iterations of a method the volume bears.

    Parameters
    ----------
    place : Scratch
        Where the volume is ingested; its `numbers` become `suggested`, a number or None, and the `reason`.
    key : VolumeKey
        The raw volume.
    psf : Path
        The PSF used.
    settings : mapping
        As `lightsheet.processing.deconvolve.deconvolve_volume` wants them, without `iterations`.
    threads : int
        Cores to use.
    """
    raw = read_volume(place.work("raw", key.channel), key.timepoint, threads)
    suggested, reason = _suggestion(raw, read_stack(psf), settings, threads)
    write_json(place.numbers, {"suggested": suggested, "reason": reason})


def _suggestion(raw: np.ndarray, psf: np.ndarray, settings: Mapping[str, Any], threads: int) -> tuple[int | None, str]:
    background = settings["background"]
    if background == "auto":
        background = estimate_background(raw)
    part = subtract_background(find_brightest_part(raw), background)
    try:
        found = resolve_iterations(part, psf, acceleration=settings["acceleration"], threads=threads)
    except InputError as error:
        return None, str(error).removeprefix("iterations: ")
    reason = (
        "a tenth of the voxels of the brightest part was held out, and how well they are predicted tells that more "
        f"than {found} iterations would fit noise"
    )
    return found, reason + ("" if settings["boundary"] == "extended" else BORROWED)


def measure_deconvolution(
    place: PilotResults,
    key: VolumeKey,
    psf: Path,
    settings: Mapping[str, Any],
    layout: StoreLayout,
    spot: Sequence[int],
    voxel_size: Mapping[str, float],
    threads: int,
    memory: int | None,
) -> None:
    """Deconvolve the ingested volume as a run would, keep some planes and numbers, and remove the result.

    Parameters
    ----------
    place : Scratch
        Where the volume is ingested; its `numbers` become what `run_pilot` says of one run, and `host`,
        `slurm_job` and the `background` (counts).
    key : VolumeKey
        The deconvolved volume.
    psf, settings, layout, threads, memory
        See `lightsheet.processing.deconvolve.deconvolve_volume`.
    spot : sequence of int
        (z, y, x) through which the planes go.
    voxel_size : mapping
        Micrometre along `z`, `y` and `x`.
    """

    def once(settings: Mapping[str, Any]) -> Record:
        return deconvolve_volume(place, key, psf, settings, layout, "pilot", threads, memory)

    with ALONE:
        _remove(place, key)  # what a lost worker left
        try:
            try_engine(settings["engine"])
            if settings["engine"] == "gpu":  # cuFFT's plans are made for a shape, and live as long as the worker
                once({**settings, "iterations": 1})
                _remove(place, key)
            with watch_peak(settings["engine"]) as used:
                record = once(settings)
            _keep(place, key, settings, spot, voxel_size)
        finally:
            _remove(place, key)
    write_json(place.numbers, _numbers(record, used))


def _keep(
    place: PilotResults,
    key: VolumeKey,
    settings: Mapping[str, Any],
    spot: Sequence[int],
    voxel_size: Mapping[str, float],
) -> None:
    """Keep the planes of a result that are shown, in counts."""
    array = zarr.open_array(place.work("result", key.channel) / "0", mode="r")
    scale = find_stored_per_count(settings)
    shown = locate_planes(array.shape[1:], spot, voxel_size).items()
    keep_pictures(place.planes, {name: np.divide(array[key.timepoint, *where], scale) for name, where in shown})


def _remove(place: PilotResults, key: VolumeKey) -> None:
    """Remove the result, and the record that says it is done."""
    shutil.rmtree(place.work("result", key.channel), ignore_errors=True)
    place.record(key).unlink(missing_ok=True)


def _numbers(record: Record, used: Peak) -> dict[str, Any]:
    statistics = record["statistics"]
    return {
        "iterations": statistics["iterations"],
        "seconds": record["seconds"],
        "written_bytes": sum(shard["bytes"] for shard in record["shards"]),
        "memory_bytes": used.host,
        "gpu_memory_bytes": used.gpu,
        "residual": statistics["residual"],
        "resolution_voxels": statistics["resolution_voxels"],
        "background": statistics["background"],
        "host": record["host"],
        "slurm_job": record["slurm_job"],
    }
