"""Restoration of one volume: from its raw shard to the deconvolved one and its record."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.fft import next_fast_len

from lightsheet import deconvolution, files, records, tiff
from lightsheet.records import Record
from lightsheet.results import Results
from lightsheet.store import Layout, read_volume, write_volume

OUTPUT_MAX = np.iinfo(np.uint16).max

PROCESS_BYTES = 500_000_000
"""Python with its libraries, and as much again to be safe."""

BYTES_PER_PADDED_VOXEL = {"cpu": 22, "gpu": 4, "itk": 90}
BYTES_PER_VOXEL = 8


def fingerprint_of(raw: Record, psf_sha256: str, settings: Mapping[str, Any], layout: Layout) -> str:
    """Return the digest of all that decides a deconvolved volume.

    Parameters
    ----------
    raw : dict
        The raw volume's record.
    psf_sha256 : str
        Digest of the PSF used.
    settings : mapping
        See `deconvolve`.
    layout : Layout
        Of the result.
    """
    content = {
        "raw": raw["shards"][0]["sha256"],
        "psf": psf_sha256,
        "settings": dict(settings),
        "engine": deconvolution.engine_version(settings["engine"]),
        "algorithm": deconvolution.ALGORITHM_VERSION,
        "layout": layout.as_json(),
    }
    return files.digest(content)


def deconvolve(
    results: Results,
    channel: str,
    timepoint: int,
    psf: Path,
    settings: Mapping[str, Any],
    layout: Layout,
    fingerprint: str,
    threads: int,
) -> Record:
    """Deconvolve one ingested volume; shards, pyramid and record are on the disk when this returns.

    Parameters
    ----------
    results : Results
        Where from and where to.
    channel : str
        The volume's channel.
    timepoint : int
        Index on the time axis.
    psf : Path
        The PSF used, (z, y, x) float32 TIFF.
    settings : mapping
        `engine` (resolved), `iterations`, `boundary`, `acceleration`, `background` (counts, or auto), `dtype`
        and `scale` (of the result, for uint16).
    layout : Layout
        Of the result.
    fingerprint : str
        What `fingerprint_of` returned.
    threads : int
        Cores to use inside the volume.

    Returns
    -------
    dict
        The volume's record.
    """
    before = records.read(results.record("result", channel, timepoint))
    if before and records.holds(before, fingerprint, results.work("result", channel), timepoint):
        return before  # done by a worker that was lost before it could say so
    seconds: dict[str, float] = {}
    with records.timed(seconds, "read"):
        raw = read_volume(results.work("raw", channel), timepoint)
    with records.timed(seconds, "deconvolve"):
        result, statistics = compute(raw, tiff.read(psf), settings, threads)
    del raw
    with records.timed(seconds, "write"):
        shards = write_volume(results.work("result", channel), timepoint, result, layout, threads)
    record = records.done(fingerprint, shards, seconds, settings=dict(settings), statistics=statistics)
    records.write(results.record("result", channel, timepoint), record)
    return record


def memory_bytes(shape: Sequence[int], psf: Sequence[int], engine: str) -> int:
    """Return the memory that `deconvolve` needs for a volume, its process included.

    Parameters
    ----------
    shape, psf : sequence of int
        (z, y, x) of the volume and of the PSF used.
    engine : str
        One of `deconvolution.ENGINES`.

    Returns
    -------
    int
        Bytes of host memory; `benchmarks/memory.py` measures what it is made of.
    """
    padded: int = math.prod(next_fast_len(n + k, real=True) for n, k in zip(shape, psf, strict=True))
    return PROCESS_BYTES + BYTES_PER_PADDED_VOXEL[engine] * padded + BYTES_PER_VOXEL * math.prod(shape)


def compute(
    raw: np.ndarray, psf: np.ndarray, settings: Mapping[str, Any], threads: int
) -> tuple[np.ndarray, dict[str, Any]]:
    """Deconvolve one volume in memory, as the settings say.

    Parameters
    ----------
    raw : numpy.ndarray
        (z, y, x), counts.
    psf : numpy.ndarray
        The PSF used, (z, y, x).
    settings : mapping
        See `deconvolve`.
    threads : int
        Cores to use.

    Returns
    -------
    numpy.ndarray
        (z, y, x) in the dtype that `settings` name.
    dict
        Statistics of the result in counts, `background` (counts) that was subtracted, `flux_before` (sum of the
        image after that), and how many `negative_voxels` and `clipped_voxels` there were.
    """
    background = settings["background"]
    if background == "auto":
        background = estimate_background(raw)
    image = np.subtract(raw, np.float32(background), dtype=np.float32)
    counts = {"background": background, "negative_voxels": int(np.count_nonzero(image < 0))}
    np.maximum(image, 0, out=image)
    counts["flux_before"] = float(image.sum(dtype=np.float64))
    how = {key: settings[key] for key in ("iterations", "engine", "boundary", "acceleration")}
    result = deconvolution.richardson_lucy(image, psf, threads=threads, **how)
    del image
    statistics = records.statistics(result)
    result, counts["clipped_voxels"] = to_dtype(result, settings["dtype"], settings["scale"])
    return result, {**statistics, **counts}


def estimate_background(volume: np.ndarray) -> float:
    """Estimate the camera offset: the 1st percentile of the means over blocks of 8 x 8 x 8 voxels.

    A mean over 512 voxels hides the camera's noise, and the darkest blocks of such a volume hold no light.

    Parameters
    ----------
    volume : numpy.ndarray
        (z, y, x), counts.

    Returns
    -------
    float
        Counts.
    """
    edge = [min(8, n) for n in volume.shape]
    blocks = [n // e for n, e in zip(volume.shape, edge, strict=True)]
    whole = volume[tuple(slice(b * e) for b, e in zip(blocks, edge, strict=True))]
    split = whole.reshape([n for pair in zip(blocks, edge, strict=True) for n in pair])
    return float(np.percentile(split.mean(axis=(1, 3, 5), dtype=np.float64), 1))


def to_dtype(result: np.ndarray, dtype: str, scale: float) -> tuple[np.ndarray, int]:
    """Convert a float32 result for storage.

    Parameters
    ----------
    result : numpy.ndarray
        (z, y, x) float32, counts; used as scratch space.
    dtype : str
        `float32` (kept as it is) or `uint16` (multiplied by `scale`, rounded, clipped to 65535).
    scale : float
        Stored value per count, for uint16.

    Returns
    -------
    numpy.ndarray
        (z, y, x).
    int
        How many voxels were clipped.
    """
    if dtype == "float32":
        return result, 0
    np.multiply(result, np.float32(scale), out=result)
    np.rint(result, out=result)
    clipped = int(np.count_nonzero(result > OUTPUT_MAX))
    np.clip(result, 0, OUTPUT_MAX, out=result)
    return result.astype(np.uint16), clipped
