"""The pilot on a worker: one volume is ingested and deconvolved by the run's own functions, and that is measured.

No result is kept but numbers, and some planes of the volume.
"""

import dataclasses
import pickle
import re
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zarr

from lightsheet.deconvolution import try_engine
from lightsheet.planning.planes import find_planes, find_spot
from lightsheet.planning.storages import compare_storages, measure_fineness
from lightsheet.planning.suggestion import Suggestion, find_suggestion
from lightsheet.processing import (
    FULL,
    close_storage,
    deconvolve_volume,
    find_stored_per_count,
    ingest_volume,
    judge_fit,
    name_storage,
    share_worker,
)
from lightsheet.scan import OutputVolume
from lightsheet.sources import Tiles, is_selection, open_mosaic, read_stack
from lightsheet.store import Record, Results, StoreLayout, VolumeKey, find_fault, read_volume, time_stage
from lightsheet.system import BandSource, InputError, write_whole

Planes = dict[str, np.ndarray]
"""`xy` (y, x) and `xz` (z, x), float32 counts."""


def keep_measurement(path: Path, function: Callable[..., Any], task: Mapping[str, Any]) -> None:
    """Write what a function returns into a file, because Dask forgets it with a worker that is lost afterwards."""
    measurement = pickle.dumps(function(**task))
    with write_whole(path) as part:
        part.write_bytes(measurement)


def measure_ingest(
    scratch: Results, volume: VolumeKey, tiles: Tiles, plan: Mapping[str, Any], layout: StoreLayout, threads: int
) -> tuple[dict[str, Any], Planes]:
    """Ingest a volume, or a crop of it that is written as a TIFF first; check its shards; find what to show.

    Returns `seconds`, `read_bytes`, `written_bytes`, `check_seconds`, and the `spot` (z, y, x); and planes through it.
    """
    shape, region = layout.levels[0].shape, plan.get("part")
    if shape != tuple(plan["volume"]):
        path = scratch.folder / "crops" / f"{volume.channel}.tif"
        _write_crop(path, tiles, plan)
        tiles, region = [((0, 0, 0), [(str(path), None)])], None
    record = ingest_volume(scratch, volume, tiles, layout, threads, region=region)
    seconds: dict[str, float] = {}
    with time_stage(seconds, "check"):
        for shard, level in zip(record["shards"], layout.levels, strict=True):
            path = scratch.shard(volume, shard["level"])
            chunks = prod(n // c for n, c in zip(level.shape, level.chunk, strict=True))
            if fault := find_fault(path, chunks, shard["bytes"], shard["blake3"]):
                raise InputError(f"{path} {fault}; look at this disk before a run trusts it")
    raw = read_volume(scratch.work("raw", volume.channel), volume.timepoint, threads)
    spot = find_spot(raw)
    geometry, planes = find_planes(plan["methods"][0], shape, spot, plan["voxel_size"])
    source = OutputVolume(raw, geometry) if geometry else raw
    numbers = {
        "seconds": record["seconds"]["ingest"],
        "read_bytes": sum(map(_count_bytes_read, record["sources"])),
        "written_bytes": sum(shard["bytes"] for shard in record["shards"]),
        "check_seconds": round(seconds["check"], 4),
        "spot": spot,
    }
    return numbers, {name: _read_plane(source, *index).astype(np.float32) for name, index in planes.items()}


def _read_plane(volume: BandSource, z: Any, y: Any, x: Any) -> np.ndarray:
    """Read a part of a plane of which z or y is a number."""
    planes, rows = (slice(index, index + 1) if isinstance(index, int) else index for index in (z, y))
    band = volume[planes, rows]
    return band[0, :, x] if isinstance(z, int) else band[:, 0, x]


def _write_crop(path: Path, tiles: Tiles, plan: Mapping[str, Any]) -> None:
    z, y, x = (slice(*span) for span in plan["region"])
    with open_mosaic(tiles, plan["volume"], plan["dtype"], plan.get("part")) as volume:
        pixels = volume[z, y][:, :, x]
    with write_whole(path) as part:
        tifffile.imwrite(part, pixels, photometric="minisblack", metadata={"axes": "ZYX"})


def _count_bytes_read(source: Mapping[str, Any]) -> int:
    """Return the bytes of a file, or the share of the pages that are the volume's."""
    pages = source.get("pages")
    is_shared = pages and len(pages) > 3 and not is_selection(pages)
    share = len(range(*pages[:3])) / pages[3] if pages and is_shared else 1.0
    size: int = source["bytes"]
    return round(size * share)


def suggest_iterations(
    scratch: Results, volume: VolumeKey, psf: Path, settings: Mapping[str, Any], threads: int, trials: Sequence[int]
) -> Suggestion:
    """Suggest iterations of a method for an ingested volume, of which some are tried."""
    raw = read_volume(scratch.work("raw", volume.channel), volume.timepoint, threads)
    return find_suggestion(raw, read_stack(psf), settings, threads, trials)


def measure_deconvolution(
    scratch: Results,
    volume: VolumeKey,
    psf: Path,
    settings: Mapping[str, Any],
    layout: StoreLayout,
    shape: Sequence[int],
    spot: Sequence[int],
    voxel_size: Mapping[str, float],
    threads: int,
    memory: int | None,
    proposes: bool = False,
) -> tuple[dict[str, Any], Planes]:
    """Deconvolve the ingested volume as a run would; return the numbers, and planes through the `spot`.

    `shape`, `spot` and `voxel_size`, all (z, y, x), are those of the raw volume. Among the numbers
    are the ways to store it, if it `proposes` some.
    """
    volume, raw = volume._replace(kind="result"), scratch.work("raw", volume.channel)
    fineness = None
    if proposes or "auto" in (settings["scale"], settings.get("precision")):
        fineness = measure_fineness(raw, volume.timepoint, psf, settings, threads)
    settings, storages = close_storage(settings, fineness), {}
    with tempfile.TemporaryDirectory(dir=scratch.folder, ignore_cleanup_errors=True) as folder:
        results = Results(Path(folder))

        def deconvolve(settings: Mapping[str, Any], layout: StoreLayout) -> Record:
            inputs = {"settings": dict(settings)}
            return deconvolve_volume(results, volume, psf, settings, layout, inputs, threads, memory, raw, shape=shape)

        try_engine(settings["engine"])
        if settings["engine"] == "gpu":  # cuFFT's plans are made for a shape, and live as long as the worker
            deconvolve({**settings, "iterations": 1}, layout)
        with watch_peak(settings["engine"]) as peak, share_worker(threads):
            record = deconvolve(settings, layout)
        work = results.work("result", volume.channel)
        array = zarr.open_array(work / "0", mode="r")
        scale, indices = find_stored_per_count(settings), find_planes(settings, shape, spot, voxel_size)[1]
        stored = {name: array[volume.timepoint, *index] for name, index in indices.items()}
        planes = {name: np.divide(pixels, scale).astype(np.float32) for name, pixels in stored.items()}
        if proposes:
            if name_storage(settings) != "full":  # all storages are tried on a result of which nothing was rounded
                settings = {**{key: value for key, value in settings.items() if key != "precision"}, **FULL}
                layout = dataclasses.replace(layout, dtype=settings["dtype"])
                deconvolve(settings, layout)
            storages = compare_storages(work, volume.timepoint, layout, fineness, threads)
    return {**_describe_record(record), **peak, **({"storages": storages} if storages else {})}, planes


def _describe_record(record: Record) -> dict[str, Any]:
    """Return what `pilot.json` takes from the record of a result."""
    doubts = [doubt.text for doubt in judge_fit(record["statistics"])]
    return {
        **{key: record["statistics"][key] for key in ("iterations", "residual", "resolution_voxels", "background")},
        **{key: record[key] for key in ("seconds", "share", "host", "slurm_job")},
        "written_bytes": sum(shard["bytes"] for shard in record["shards"]),
        **({"doubts": doubts} if doubts else {}),
    }


@contextmanager
def watch_peak(engine: str) -> Iterator[dict[str, int | None]]:
    """Measure how much memory this process has at most during the block, all that it holds already included.

    Bytes stand there at the end of the block: of the host, None elsewhere than on Linux, with the peak of the process
    that `itk` works in; of the GPU what CuPy has, None without. Where Linux does not let this process forget earlier
    peaks, they count too.
    """
    peak: dict[str, int | None] = {"memory_bytes": None, "gpu_memory_bytes": None}
    pool: Any = import_module("cupy").get_default_memory_pool() if engine == "gpu" else None
    if pool:
        pool.free_all_blocks()
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # man 5 proc_pid_clear_refs
    yield peak
    if sys.platform == "linux":
        high_water_mark = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
        child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss if engine == "itk" else 0
        peak["memory_bytes"] = 1024 * (int(high_water_mark[1]) + child) if high_water_mark else None
    if pool:
        peak["gpu_memory_bytes"] = int(pool.total_bytes())
