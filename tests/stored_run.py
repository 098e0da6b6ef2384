"""What a finished run leaves, made by hand: stores of one bright voxel, and records whose numbers are known."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np

from lightsheet import files, ome, publication, records, store
from lightsheet.results import Results
from lightsheet.store import Layout

VOXEL = {"z": 0.3, "y": 0.1, "x": 0.1}
SHAPE = (8, 40, 30)
ODD = 'Cam<i>A&"#%_ch0'  # all of it allowed in a folder's name
CHANNELS = {ODD: None, "CamB_ch1_560nm": 560}
CODEC = {"name": "blosc", "configuration": {}}
SPOT = (2, 30, 10)


def volume(value: float, dtype: str) -> np.ndarray:
    """A dark volume with one bright voxel."""
    filled = np.full(SHAPE, 100, dtype)
    filled[SPOT] = value
    return filled


def make(
    folder: Path,
    timepoints: int,
    seconds: Sequence[float | None] | None = None,
    missing: Collection[tuple[str, int]] = (),
) -> Results:
    """Make what a finished run leaves; the numbers of the records differ from volume to volume.

    The volumes `missing` (channel, timepoint) are holes.
    """
    results = Results(folder / "my run")
    for c, channel in enumerate(CHANNELS):
        for t in range(timepoints):
            _volume(results, channel, t, 1000 * c + t, hole=(channel, t) in missing)
        results.psf(channel, ".png").parent.mkdir(exist_ok=True)
        matplotlib.image.imsave(results.psf(channel, ".png"), np.arange(12.0).reshape(3, 4))
        widths = {"z": 0.71234, "y": 0.28, "x": 0.27}
        facts = {"fwhm_um": widths, "shape": [9, 7, 5], "background": 104.0, "energy_cropped": 0.0025}
        files.write_json(results.psf(channel, ".json"), facts)
        _publish(results, "raw", [channel], timepoints, seconds)
    _publish(results, "result", list(CHANNELS), timepoints, seconds)
    rows = "".join(f'x.tif,"{c.replace(chr(34), chr(34) * 2)}",{w or ""},0,z0y0x0,0,1\n' for c, w in CHANNELS.items())
    header = "file,channel,wavelength_nm,timepoint,tile,seconds,bytes\n"
    files.write_text(results.folder / "inventory.csv", header + rows)
    files.write_json(results.crate, {})
    return results


def _volume(results: Results, channel: str, t: int, number: int, hole: bool) -> None:
    seconds = {"ingest": 0.5, "read": 0.25, "deconvolve": number + 0.75, "write": 1.25}
    settings = {"iterations": 12, "background": 100 if channel == ODD else "auto", "engine": "<cpu>"}
    found = {"min": 0.5, "max": 5000.0 + number, "sum": 990.0 + t, "flux_before": 1000.0, "background": 101.25}
    counts = {"negative_voxels": 12345 + number, "clipped_voxels": 7 + number}
    for kind, dtype, value in (("raw", "uint16", 700), ("result", "float32", 3000)):
        own: dict[str, Any] = {"settings": settings, "statistics": found | counts} if kind == "result" else {}
        if hole:
            own |= {"statistics": None, "missing": True}
        filled = store.hole(_layout(dtype)) if hole else volume(value, dtype)
        shards, _ = store.write_volume(results.work(kind, channel), t, filled, _layout(dtype), 1)
        records.write(results.record(kind, channel, t), records.done("f", shards, seconds, **own))


def _layout(dtype: str) -> Layout:
    return Layout.plan(SHAPE, VOXEL, dtype, CODEC)


def _publish(
    results: Results, kind: str, channels: list[str], timepoints: int, seconds: Sequence[float | None] | None
) -> None:
    """Publish the raw store of one channel, or the result of all."""
    raw = kind == "raw"
    layout = _layout("uint16" if raw else "float32")
    volumes = [
        (results.work(kind, channel), t, (t,) if raw else (t, c))
        for t in range(timepoints)
        for c, channel in enumerate(channels)
    ]
    described = {
        "version": ome.VERSION,
        "multiscales": ome.multiscales("a", "tzyx" if raw else "tczyx", layout.levels, VOXEL, None),
        "omero": ome.channels({c: CHANNELS[c] for c in channels}, dict.fromkeys(channels, (0, 9, 0, 9))),
    }
    attributes = {"ome": described, "lightsheet": {"seconds": seconds, "missing": []}}
    place = results.raw_store(channels[0]) if raw else results.store
    publication.publish(place, volumes, layout, (timepoints,) if raw else (timepoints, len(channels)), attributes)
