"""How a pilot's result might be stored: each way is tried, and its bytes are counted."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightsheet.deconvolution import find_brightest_region
from lightsheet.processing import describe_fineness, estimate_background, find_mask, list_storages, store_as
from lightsheet.sources import read_stack
from lightsheet.store import StoreLayout, read_volume, write_volume


def measure_fineness(
    work: Path, timepoint: int, psf: Path, settings: Mapping[str, Any], threads: int
) -> dict[str, Any] | None:
    """Find how finely the noise of an ingested volume asks for its result to be stored, see `describe_fineness`.

    Parameters
    ----------
    work, timepoint : Path, int, where the raw volume is
    psf : Path, of the PSF used
    settings, threads : mapping, int, as for `deconvolve_volume`
    """
    raw = read_volume(work, timepoint, threads)
    if settings["background"] == "auto":
        settings = {**settings, "background": estimate_background(raw)}
    mask = find_mask(raw, settings)
    region = find_brightest_region(raw, mask)
    return describe_fineness(raw[region], read_stack(psf), settings, threads, mask[region] if mask else None)


def compare_storages(
    work: Path, timepoint: int, layout: StoreLayout, fineness: Mapping[str, Any] | None, threads: int
) -> dict[str, dict[str, Any]]:
    """Store a result in each way, and return what that takes and costs.

    Parameters
    ----------
    work, timepoint : Path, int, where the result is, in full
    layout : StoreLayout, of results
    fineness : mapping, what `measure_fineness` returned
    threads : int, cores to use

    Returns
    -------
    dict
        Per way its settings, its `bytes`, and `rounding_error` and `rounding_to_noise` as records have them.
    """
    comparison = {}
    for name, storage in list_storages(fineness).items():
        voxels, error = store_as(read_volume(work, timepoint, threads), storage, threads)
        copies, bits = work.with_name(f"{work.name}-{name}"), storage.get("precision")
        as_stored = dataclasses.replace(layout, dtype=storage["dtype"])
        shards, _ = write_volume(copies, timepoint, voxels, as_stored, threads, bits=bits)
        noise = fineness["noise"] if fineness else 0.0
        comparison[name] = {
            **storage,
            "bytes": sum(shard["bytes"] for shard in shards),
            "rounding_error": error,
            "rounding_to_noise": error / noise if noise else None,
        }
    return comparison
