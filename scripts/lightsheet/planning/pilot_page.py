"""The pilot's sheet: what each method makes of each channel with more and more iterations, in pictures and numbers.

One HTML file that needs no network; pictures are embedded, and curves are plain SVG.
"""

import base64
from collections.abc import Mapping, Sequence
from math import log as ln
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np

from lightsheet.planning.sweep import is_crop, name_method
from lightsheet.viewing import choose_axis, choose_scale_bar, choose_value_ticks, cut_segments, write_page

WHITE = 99.7
"""Percentile of each picture; half of a channel's pictures are darker at theirs than what is shown white."""

GAMMA = 0.5
"""Shows what is dim beside the bright spot in the middle."""

NEAR = 5
"""Percent of a chart's width between two labels that can still be read."""

Key = tuple[Any, ...]
Pictures = Mapping[Key, Mapping[str, np.ndarray]]


def write_pilot_page(path: Path, name: str, found: Mapping[str, Any], pictures: Pictures) -> None:
    """Write the sheet.

    Parameters
    ----------
    path : Path
        The HTML file, which appears whole or not at all.
    name : str
        Of the run.
    found : mapping
        What `lightsheet.planning.pilot.run_pilot` returns.
    pictures : mapping
        Planes `xy` (y, x) and `xz` (z, x), counts, by channel (raw), and by channel, number of the method, iterations.
    """
    size = found["voxel_size"]
    facts = {
        **{key: value for key, value in found.items() if key != "channels"},
        "name": name,
        "gamma": GAMMA,
        "is_crop": is_crop(found),
        "aspects": _aspects(next(iter(pictures.values())), size),
        "bar": _bar(next(iter(pictures.values()))["xy"], size),
        "channels": [_channel(c, own, pictures, size["x"]) for c, own in found["channels"].items()],
    }
    write_page(path, "pilot.html.jinja", facts)


def _aspects(planes: Mapping[str, np.ndarray], voxel_size: Mapping[str, float]) -> dict[str, float]:
    """Return width by height of each plane, in micrometre."""
    return {
        name: plane.shape[1] * voxel_size["x"] / (plane.shape[0] * voxel_size["y" if name == "xy" else "z"])
        for name, plane in planes.items()
    }


def _bar(plane: np.ndarray, voxel_size: Mapping[str, float]) -> dict[str, Any]:
    width = plane.shape[1] * voxel_size["x"]
    bar = choose_scale_bar(width)
    return {"text": f"{bar:g} µm", "percent": round(100 * bar / width, 2)}


def _channel(name: str, found: Mapping[str, Any], pictures: Pictures, voxel: float) -> dict[str, Any]:
    """Collect what is shown of a channel; all its pictures share black, the background, and white."""
    methods = found["methods"]
    keys = {(name, m, run["iterations"]): run for m, method in enumerate(methods) for run in method["runs"]}
    offset = methods[0]["runs"][0]["background"]
    above = {key: pictures[key] for key in keys} | {
        (name,): {plane: pixels - offset for plane, pixels in pictures[name,].items()}
    }
    brightest = float(np.median([np.percentile(planes["xy"], WHITE) for planes in above.values()]))
    white = brightest if brightest > 0 else 1.0  # a dark volume, or a background above all of it
    shown = {key: {plane: _png(pixels / white) for plane, pixels in planes.items()} for key, planes in above.items()}
    return {
        **found,
        "name": name,
        "white": white,
        "raw": shown[name,],
        "methods": [
            {
                **method,
                "name": name_method(method["settings"]),
                "runs": [{**run, "pictures": shown[name, m, run["iterations"]]} for run in method["runs"]],
            }
            for m, method in enumerate(methods)
        ],
        "charts": _charts(methods, voxel),
        "has_gpu": any(run["gpu_memory_bytes"] is not None for run in keys.values()),
    }


def _png(grey: np.ndarray) -> str:
    """Encode a picture, black 0 and white 1, as PNG in base64."""
    shown = np.rint(255 * np.clip(grey, 0, 1) ** GAMMA).astype(np.uint8)
    return base64.b64encode(imagecodecs.png_encode(shown)).decode()


def _charts(methods: Sequence[Mapping[str, Any]], voxel: float) -> list[dict[str, Any]]:
    """Place the curves of all methods over their iterations."""
    raw = methods[0]["runs"][0]["resolution_voxels"]["raw"]
    residuals = [{run["iterations"]: run["residual"] for run in method["runs"]} for method in methods]
    periods = [{run["iterations"]: run["resolution_voxels"]["result"] for run in method["runs"]} for method in methods]
    suggested = [method["suggested"] for method in methods]
    return [
        {
            "title": "Residual",
            "what": "what the result, blurred by the PSF, leaves unexplained of the image (relative L2)",
            "unit": "%",
            **_chart(residuals, suggested, 100, None),
        },
        {
            "title": "Resolution",
            "what": "smallest period that an xy plane resolves (decorrelation analysis); dashed: of the raw image",
            "unit": "µm",
            **_chart(periods, suggested, voxel, raw),
        },
    ]


def _chart(
    curves: Sequence[Mapping[int, float | None]], suggested: Sequence[int | None], factor: float, level: float | None
) -> dict[str, Any]:
    """Place curves, by iterations on a logarithmic axis, and a level; what is written beside them is times `factor`."""
    counts = sorted({count for curve in curves for count in curve})
    at = {count: _place(count, counts[0], counts[-1]) for count in counts}
    known = [value for value in [*(v for curve in curves for v in curve.values()), level] if value is not None]
    scale = choose_axis(known or [0.0], from_zero=True)
    segments = [cut_segments([at[count] for count in curve], list(curve.values()), scale) for curve in curves]
    return {
        "curves": segments,
        "ticks": choose_value_ticks(scale, factor),
        "counts": _legible([(at[count], count) for count in counts]),
        "level": None if level is None else scale.place(level),
        "marks": [at.get(count) if count else None for count in suggested],
    }


def _place(count: int, first: int, last: int) -> float:
    """Return how far to the right a number of iterations stands, in percent."""
    return round(100 * ln(count / first) / ln(last / first), 2) if last > first else 50.0


def _legible(labels: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """Leave out labels that would touch the one before."""
    kept = list(labels[:1])
    for place, count in labels[1:]:
        if place - kept[-1][0] >= NEAR:
            kept.append((place, count))
    return kept
