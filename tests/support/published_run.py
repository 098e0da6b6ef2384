"""A finished run's published stores, made by hand: random volumes of two channels, raw and deconvolved."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lightsheet.processing.geometry import describe_geometry, find_geometry
from lightsheet.scan import OutputVolume
from lightsheet.store import ngff, publish
from lightsheet.store.paths import Results
from lightsheet.store.volumes import StoreLayout, make_hole, write_volume

VOXEL = {"z": 0.3, "y": 0.104, "x": 0.104}
INTERVAL: float | None = 43.748
CHANNELS = {"CamA_ch0_488nm": 488, "CamB_ch1_560nm": 560}
AXES = {"raw": "tzyx", "result": "tczyx"}
DTYPES = {"raw": "uint16", "result": "float32"}


class Run(NamedTuple):
    """Where the stores are, and what they hold: (z, y, x) by kind, timepoint and channel."""

    results: Results
    layouts: dict[str, StoreLayout]
    volumes: dict[tuple[str, int, int], np.ndarray]


def make(
    folder: Path,
    shape: tuple[int, int, int],
    timepoints: int = 1,
    dtypes: Mapping[str, str] = DTYPES,
    codec: str = "blosc",
    missing: Collection[tuple[str, int]] = (),
    fill: Callable[[str, int], np.ndarray] | None = None,
    scan: Mapping[str, Any] | None = None,
) -> Run:
    """Publish the kinds of `dtypes`.

    A volume is what `fill` returns for its kind and its channel, or else random, without a zero; those of `missing`
    (channel, timepoint) are holes. With the settings of a stage `scan`, results are moved or turned as they say.
    """
    scan = dict(scan or {})
    geometry = find_geometry(scan, shape)
    shapes = {"raw": shape, "result": geometry.shape if geometry else shape}
    layouts = {
        kind: StoreLayout.plan(shapes[kind], _measure_voxels(scan, kind), dtype, {"name": codec})
        for kind, dtype in dtypes.items()
    }
    run = Run(Results(folder / "run"), layouts, {})
    random = np.random.default_rng(0)
    for kind, t, (c, name) in ((k, t, c) for k in dtypes for t in range(timepoints) for c in enumerate(CHANNELS)):
        if (name, t) in missing:
            volume = make_hole(layouts[kind])
        elif fill:
            volume = fill(kind, c).astype(dtypes[kind])
        else:
            # More than a byte where there is room; the means of 2 x 2 x 2 are whole numbers then.
            volume = random.integers(1, 250, shape).astype(dtypes[kind]) * (1 if dtypes[kind] == "uint8" else 16)
        if geometry and kind == "result" and (name, t) not in missing:
            volume = OutputVolume(volume.astype(np.float32), geometry)[:, :].astype(dtypes[kind])
        run.volumes[kind, t, c] = volume
        write_volume(run.results.work(kind, name), t, volume, layouts[kind], 2)
    for c, name in enumerate(CHANNELS if "raw" in dtypes else ()):
        _publish(run, "raw", run.results.raw_store(name), {c: name}, timepoints, missing, scan)
    _publish(run, "result", run.results.store, dict(enumerate(CHANNELS)), timepoints, missing, scan)
    return run


def _measure_voxels(scan: Mapping[str, Any], kind: str) -> Mapping[str, float]:
    geometry = find_geometry(scan, (1, 1, 1))
    return geometry.measure_voxels(VOXEL) if geometry and kind == "result" else VOXEL


def _publish(
    run: Run,
    kind: str,
    place: Path,
    channels: Mapping[int, str],
    timepoints: int,
    missing: Collection[tuple[str, int]],
    scan: Mapping[str, Any],
) -> None:
    shape = run.layouts["raw" if "raw" in run.layouts else "result"].levels[0].shape
    geometry = find_geometry(scan, shape)
    origin = geometry.find_origin(VOXEL) if geometry and kind == "result" else (0, 0, 0)
    layout, names = run.layouts[kind], channels.values()
    indices = [(t, c) for t in range(timepoints) for c in channels]
    volumes = [(run.results.work(kind, channels[c]), t, (t,) if kind == "raw" else (t, c)) for t, c in indices]
    attributes: dict[str, Any] = {
        "ome": {
            "version": ngff.NGFF_VERSION,
            "multiscales": ngff.describe_multiscales(
                f"run {kind}", AXES[kind], layout.levels, _measure_voxels(scan, kind), INTERVAL, origin
            ),
            "omero": ngff.describe_channels({c: CHANNELS[c] for c in names}, dict.fromkeys(names, (0, 4096, 0, 4000))),
        },
        "lightsheet": {
            "seconds": INTERVAL and [INTERVAL * t for t in range(timepoints)],
            "missing": [{"channel": c, "timepoint": t} for c, t in missing if c in names],
            **describe_geometry(scan, shape, kind),
        },
    }
    leading = (timepoints,) if kind == "raw" else (timepoints, len(channels))
    publish.publish_store(place, volumes, layout, leading, attributes)
