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

from lightsheet import counts, deconvolution, files, ingestion, mosaic, records, restoration, shards, tiff
from lightsheet.deconvolution import stopping
from lightsheet.errors import InputError
from lightsheet.pilot import peak, planes
from lightsheet.pilot.scratch import Scratch
from lightsheet.store import Layout, read_volume, shard_path

BORROWED = (
    " (told with boundary: extended, which alone can hold voxels out; on simulations that number suits boundary: "
    "replicate too, where it ends within 7 % of the least error)"
)
"""Of 30 to 1000 photons, plain and with heavy-ball momentum, measured as benchmarks/quality.py does."""

ALONE = Lock()
"""Of a worker that has several volumes at a time: measured one by one, for they share its memory."""


def ingest(
    place: Scratch,
    channel: str,
    timepoint: int,
    tiles: mosaic.Tiles,
    plan: Mapping[str, Any],
    layout: Layout,
    threads: int,
) -> None:
    """Ingest a volume, or a crop of it, which is written as a TIFF first; prove its shards; find what to show.

    Parameters
    ----------
    place : Scratch
        Where to; its `numbers` become `seconds`, `read_bytes`, `written_bytes`, `check_seconds`, and the `spot`
        (z, y, x) that is shown.
    channel, timepoint
        The volume.
    tiles : Tiles
        Where its pixels are.
    plan : mapping
        What `lightsheet.pilot.sweep.of` returned.
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
        tiles = [((0, 0, 0), [(str(_crop(place.folder / "crops" / f"{channel}.tif", tiles, plan)), None)])]
    record = ingestion.ingest(place, channel, timepoint, tiles, layout, threads)
    seconds: dict[str, float] = {}
    with records.timed(seconds, "check"):
        _prove(place.work("raw", channel), timepoint, record["shards"], layout)
    raw = read_volume(place.work("raw", channel), timepoint, threads)
    spot = planes.find_spot(raw)
    planes.keep(
        place.planes, {name: raw[where] for name, where in planes.planes(shape, spot, plan["voxel_size"]).items()}
    )
    found = {
        "seconds": record["seconds"]["ingest"],
        "read_bytes": sum(map(_bytes_read, record["sources"])),
        "written_bytes": sum(shard["bytes"] for shard in record["shards"]),
        "check_seconds": round(seconds["check"], 4),
        "spot": spot,
    }
    files.write_json(place.numbers, found)


def _crop(path: Path, tiles: mosaic.Tiles, plan: Mapping[str, Any]) -> Path:
    z, y, x = (slice(*span) for span in plan["region"])
    with mosaic.opened(tiles, plan["volume"], plan["dtype"]) as volume:
        pixels = volume[z, y][:, :, x]
    with files.atomic(path) as part:
        tifffile.imwrite(part, pixels, photometric="minisblack", metadata={"axes": "ZYX"})
    return path


def _prove(work: Path, timepoint: int, written: Sequence[Mapping[str, Any]], layout: Layout) -> None:
    """Read shards and compare them with their digests, as consolidation does."""
    for shard, level in zip(written, layout.levels, strict=True):
        path = shard_path(work, shard["level"], (timepoint,))
        chunks = prod(n // c for n, c in zip(level.shape, level.chunk, strict=True))
        if fault := shards.fault(path, chunks, shard["bytes"], shard["blake3"]):
            raise InputError(f"{path} {fault}; look at this disk before a run trusts it")


def _bytes_read(source: Mapping[str, Any]) -> int:
    """Return the bytes of a file, or the share of the pages that are the volume's."""
    pages = source.get("pages")
    share = len(range(*pages[:3])) / pages[3] if pages and len(pages) > 3 else 1.0
    size: int = source["bytes"]
    return round(size * share)


def suggest(place: Scratch, channel: str, timepoint: int, psf: Path, settings: Mapping[str, Any], threads: int) -> None:
    """Find out how many iterations of a method the volume bears.

    Parameters
    ----------
    place : Scratch
        Where the volume is ingested; its `numbers` become `suggested`, a number or None, and the `reason`.
    channel, timepoint
        The volume.
    psf : Path
        The PSF used.
    settings : mapping
        As `lightsheet.restoration.deconvolve` wants them, without `iterations`.
    threads : int
        Cores to use.
    """
    raw = read_volume(place.work("raw", channel), timepoint, threads)
    suggested, reason = _suggestion(raw, tiff.read(psf), settings, threads)
    files.write_json(place.numbers, {"suggested": suggested, "reason": reason})


def _suggestion(raw: np.ndarray, psf: np.ndarray, settings: Mapping[str, Any], threads: int) -> tuple[int | None, str]:
    background = settings["background"]
    if background == "auto":
        background = counts.estimate_background(raw)
    part = counts.subtract(stopping.brightest_part(raw), background)
    try:
        found = deconvolution.auto_iterations(part, psf, acceleration=settings["acceleration"], threads=threads)
    except InputError as error:
        return None, str(error).removeprefix("iterations: ")
    reason = (
        "a tenth of the voxels of the brightest part was held out, and how well they are predicted tells that more "
        f"than {found} iterations would fit noise"
    )
    return found, reason + ("" if settings["boundary"] == "extended" else BORROWED)


def deconvolve(
    place: Scratch,
    channel: str,
    timepoint: int,
    psf: Path,
    settings: Mapping[str, Any],
    layout: Layout,
    spot: Sequence[int],
    voxel_size: Mapping[str, float],
    threads: int,
    memory: int | None,
) -> None:
    """Deconvolve the ingested volume as a run would, keep some planes and numbers, and remove the result.

    Parameters
    ----------
    place : Scratch
        Where the volume is ingested; its `numbers` become what `lightsheet.pilot.job.run` says of one run, and `host`,
        `slurm_job` and the `background` (counts).
    channel, timepoint
        The volume.
    psf, settings, layout, threads, memory
        See `lightsheet.restoration.deconvolve`.
    spot : sequence of int
        (z, y, x) through which the planes go.
    voxel_size : mapping
        Micrometre along `z`, `y` and `x`.
    """

    def once(settings: Mapping[str, Any]) -> records.Record:
        return restoration.deconvolve(place, channel, timepoint, psf, settings, layout, "pilot", threads, memory)

    with ALONE:
        _remove(place, channel, timepoint)  # what a lost worker left
        try:
            deconvolution.try_out(settings["engine"])
            if settings["engine"] == "gpu":  # cuFFT's plans are made for a shape, and live as long as the worker
                once({**settings, "iterations": 1})
                _remove(place, channel, timepoint)
            with peak.watched(settings["engine"]) as used:
                record = once(settings)
            _keep(place, channel, timepoint, settings, spot, voxel_size)
        finally:
            _remove(place, channel, timepoint)
    files.write_json(place.numbers, _numbers(record, used))


def _keep(
    place: Scratch,
    channel: str,
    timepoint: int,
    settings: Mapping[str, Any],
    spot: Sequence[int],
    voxel_size: Mapping[str, float],
) -> None:
    """Keep the planes of a result that are shown, in counts."""
    array = zarr.open_array(place.work("result", channel) / "0", mode="r")
    scale = counts.stored_per_count(settings)
    shown = planes.planes(array.shape[1:], spot, voxel_size).items()
    planes.keep(place.planes, {name: np.divide(array[timepoint, *where], scale) for name, where in shown})


def _remove(place: Scratch, channel: str, timepoint: int) -> None:
    """Remove the result, and the record that says it is done."""
    shutil.rmtree(place.work("result", channel), ignore_errors=True)
    place.record("result", channel, timepoint).unlink(missing_ok=True)


def _numbers(record: records.Record, used: peak.Peak) -> dict[str, Any]:
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
