"""What a published store says of itself: OME's metadata, and what OME has no words for."""

from collections.abc import Mapping
from typing import Any

from lightsheet.processing import find_stored_per_count
from lightsheet.run.places import describe_planes, find_origin, find_start_seconds
from lightsheet.run.run import Run
from lightsheet.store import NGFF_VERSION, Record, VolumeKey, describe_channels, describe_multiscales

Records = Mapping[VolumeKey, Record]


def describe_store(
    run: Run, kind: str, name: str, channels: tuple[str, ...], records: Records, identity: str
) -> dict[str, Any]:
    """Return the attributes of a store's group: OME's, and what OME has no words for."""
    levels, voxel_size = run.layouts[kind].levels, run.voxel_sizes[kind]
    axes = "tczyx" if kind == "result" else "tzyx"
    windows = {channel: _choose_window(run, kind, channel, records) for channel in channels}
    wavelengths = {channel: run.acquisition.wavelengths[channel] for channel in run.channels}
    return {
        "ome": {
            "version": NGFF_VERSION,
            "multiscales": describe_multiscales(
                name,
                axes,
                levels,
                voxel_size,
                run.acquisition.interval,
                find_origin(run, kind),
                find_start_seconds(run),
            ),
            "omero": describe_channels(wavelengths, windows, run.acquisition.colours),
        },
        "lightsheet": _describe_extra(run, kind, channels, records, identity),
    }


def _describe_extra(run: Run, kind: str, channels: tuple[str, ...], records: Records, identity: str) -> dict[str, Any]:
    """Return what OME has no words for: exact times, holes, which part is selected, where raw volumes are."""
    share = run.describe_share()
    return {
        "seconds": run.acquisition.seconds,
        "missing": [
            {"channel": c, "timepoint": run.find_index(VolumeKey(kind, c, t))[0]}
            for c, t in run.acquisition.holes
            if c in channels
        ],
        **({"timepoints": list(run.timepoints)} if run.acquisition.part else {}),
        **({"share": share} if share else {}),
        **({} if run.keeps_raw else {"source": _describe_source(run, records)}),
        "publication": identity,
        **describe_planes(run, kind),
    }


def _describe_source(run: Run, records: Records) -> dict[str, Any]:
    """Return what a store of raw volumes would say of them, where none is made."""
    return {
        "shape": list(run.shape),
        "dtype": run.dtype,
        "voxel_size": list(run.voxel_sizes["raw"].values()),
        "origin": list(find_origin(run, "raw")),
        "windows": {channel: list(_choose_window(run, "raw", channel, records)) for channel in run.channels},
        "geometry": describe_planes(run, "raw"),
    }


def _choose_window(run: Run, kind: str, channel: str, records: Records) -> tuple[float, float, float, float]:
    """Return a channel's range, and the contrast window that shows all its timepoints well: (min, max, start, end)."""
    channel_records = [records[VolumeKey(kind, channel, t)] for t in run.timepoints]
    scale = find_stored_per_count(channel_records[0]["settings"]) if kind == "result" else 1
    statistics = [record["statistics"] for record in channel_records if record["statistics"]]  # a missing one has none
    low, high = min(s["min"] for s in statistics), max(s["max"] for s in statistics)
    start = min(s["percentiles"]["1"] for s in statistics)
    end = max(s["percentiles"]["99.9"] for s in statistics)
    return low * scale, high * scale, start * scale, end * scale
