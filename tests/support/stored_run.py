"""What a finished run leaves, made by hand: stores of one bright voxel, and records whose numbers are known."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np

from lightsheet.store import ngff, publish, records
from lightsheet.store.paths import CONFIG_FILE, SNAKEFILE_COPY, Results, VolumeKey
from lightsheet.store.volumes import StoreLayout, make_hole, write_volume
from lightsheet.system import files, write_json

VOXEL = {"z": 0.3, "y": 0.1, "x": 0.1}
SHAPE = (8, 40, 30)
SPECIAL = 'Cam<i>A&"#%_ch0'  # all of it allowed in a folder's name
CHANNELS = {SPECIAL: None, "CamB_ch1_560nm": 560}
CODEC = {"name": "blosc", "configuration": {}}
SPOT = (2, 30, 10)
VOXELS = 9600
DARK = 100
"""Counts where there is no light, of which `BACKGROUND` is what was subtracted."""

BACKGROUND = 90
PEAKS = {"raw": 700, "result": 3000}
"""What is stored of the bright voxel; the result in counts above background."""

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def volume(value: float, dark: float, dtype: str) -> np.ndarray:
    """A dark volume with one bright voxel."""
    filled = np.full(SHAPE, dark, dtype)
    filled[SPOT] = value
    return filled


def make(
    folder: Path,
    timepoints: int,
    seconds: Sequence[float | None] | None = None,
    missing: Collection[tuple[str, int]] = (),
    scale: int | None = None,
) -> Results:
    """Make what a finished run leaves; the numbers of the records differ from volume to volume.

    The volumes `missing` (channel, timepoint) are holes. With a `scale` the result is stored in uint16.
    """
    results = Results(folder / "my run")
    for c, channel in enumerate(CHANNELS):
        for t in range(timepoints):
            _volume(results, channel, t, 1000 * c + t, hole=(channel, t) in missing, scale=scale)
        results.psf(channel, ".png").parent.mkdir(exist_ok=True)
        matplotlib.image.imsave(results.psf(channel, ".png"), np.arange(12.0).reshape(3, 4))
        widths = {"z": 0.71234, "y": 0.28, "x": 0.27}
        facts = {"fwhm_um": widths, "shape": [9, 7, 5], "background": 104.0, "energy_cropped": 0.0025}
        files.write_json(results.psf(channel, ".json"), facts)
        _publish(results, "raw", "uint16", [channel], timepoints, seconds)
    _publish(results, "result", "uint16" if scale else "float32", list(CHANNELS), timepoints, seconds)
    rows = "".join(f'x.tif,"{c.replace(chr(34), chr(34) * 2)}",{w or ""},0,z0y0x0,0,1\n' for c, w in CHANNELS.items())
    header = "file,channel,wavelength_nm,timepoint,tile,seconds,bytes\n"
    files.write_text(results.folder / "inventory.csv", header + rows)
    _provenance(results)
    return results


def _provenance(results: Results) -> None:
    """Write what the page reads of the provenance, and the log of the first of two timepoints."""
    config = "name: my run\ndeconvolution:\n  timepoints_per_job: 2\ninput:\n  ignore: ['<b>*']\n"
    files.write_text(results.folder / CONFIG_FILE, config)
    workflow = {
        "@id": SNAKEFILE_COPY,
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
        "version": COMMIT,
    }
    times = {"startTime": "2026-11-21T07:00:00+00:00", "endTime": "2026-11-21T09:30:00+00:00"}
    python = {"@id": "https://www.python.org/", "@type": "SoftwareApplication", "name": "python"}
    programs = [{**python, "softwareVersion": "3.11.2"}, {**python, "@id": "#other", "name": "of no version"}]
    graph = [workflow, {"@id": "#run", "@type": "CreateAction", **times}, *programs]
    files.write_json(results.crate, {"@graph": graph})
    files.write_text(results.folder / "logs" / "deconvolve.t0000.log", "done\n")


def _volume(results: Results, channel: str, t: int, number: int, hole: bool, scale: int | None) -> None:
    times = {"raw": {"ingest": 0.5}, "result": {"read": 0.25, "deconvolve": number / 100 + 0.75, "write": 1.25}}
    dtypes = {"raw": "uint16", "result": "uint16" if scale else "float32"}
    factors, darks = {"raw": 1, "result": scale or 1}, {"raw": DARK, "result": 0}
    for kind, dtype in dtypes.items():
        filled = volume(PEAKS[kind] * factors[kind], darks[kind], dtype)
        shards, _ = write_volume(
            results.work(kind, channel), t, make_hole(_layout(dtype)) if hole else filled, _layout(dtype), 1
        )
        fields = _raw_fields(channel, t) if kind == "raw" else _result_fields(channel, t, number, dtype, scale)
        if hole:
            fields |= {"statistics": None, "missing": True, **({"sources": []} if kind == "raw" else {})}
        where = {"host": f"node{t % 2}", "slurm_job": str(100 + t) if t % 2 else None}
        write_json(
            results.record(VolumeKey(kind, channel, t)), records.make_record({}, shards, times[kind], **fields) | where
        )


def _raw_fields(channel: str, t: int) -> dict[str, Any]:
    return {"sources": [{"path": f"/data/{channel}_{t}.tif", "bytes": 20000 + t}], "statistics": {}}


def _result_fields(channel: str, t: int, number: int, dtype: str, scale: int | None) -> dict[str, Any]:
    background = 100 if channel == SPECIAL else "auto"
    settings = {"iterations": 12, "background": background, "engine": "<cpu>", "dtype": dtype, "scale": scale or 1}
    statistics = {
        **{"min": 0.5, "max": 5000.0 + number, "background": BACKGROUND},
        **{"sum": 990.0 + t, "flux_before": 1000.0},
        **{"negative_voxels": 1234 + number, "clipped_voxels": 7 + number, "saturated_voxels": 0},
        **{"residual": 0.25, "resolution_voxels": {"raw": 4.0 + t / 100, "result": 2.5}},
    }
    return {"settings": settings, "statistics": statistics}


def _layout(dtype: str) -> StoreLayout:
    return StoreLayout.plan(SHAPE, VOXEL, dtype, CODEC)


def _publish(
    results: Results,
    kind: str,
    dtype: str,
    channels: list[str],
    timepoints: int,
    seconds: Sequence[float | None] | None,
) -> None:
    """Publish the raw store of one channel, or the result of all."""
    raw = kind == "raw"
    layout = _layout(dtype)
    volumes = [
        (results.work(kind, channel), t, (t,) if raw else (t, c))
        for t in range(timepoints)
        for c, channel in enumerate(channels)
    ]
    described = {
        "version": ngff.NGFF_VERSION,
        "multiscales": ngff.describe_multiscales("a", "tzyx" if raw else "tczyx", layout.levels, VOXEL, None),
        "omero": ngff.describe_channels({c: CHANNELS[c] for c in channels}, dict.fromkeys(channels, (0, 9, 0, 9))),
    }
    attributes = {"ome": described, "lightsheet": {"seconds": seconds, "missing": []}}
    place = results.raw_store(channels[0]) if raw else results.store
    publish.publish_store(place, volumes, layout, (timepoints,) if raw else (timepoints, len(channels)), attributes)
