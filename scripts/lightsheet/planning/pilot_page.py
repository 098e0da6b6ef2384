"""The pilot's page: what each method makes of each channel with more and more iterations, in pictures and numbers."""

import base64
from collections.abc import Mapping, Sequence
from math import log as ln
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np

from lightsheet.planning.directions import compare_directions
from lightsheet.planning.pilot_plan import name_method
from lightsheet.viewing import choose_axis, choose_scale_bar, choose_value_ticks, cut_segments, write_page

WHITE = 99.7
"""Percentile of each picture; of a channel's pictures the median of these percentiles is shown white."""

GAMMA = 0.5
"""Shows what is dim beside the bright spot in the middle."""

LABEL_DISTANCE = 5
"""Percent of a chart's width between two labels that can still be read."""

MARKS = {"suggested": "suggested", "least_error": "least expected error", "knee": "residual hardly falls further"}
"""Words for what is marked at the first run that has at least so many iterations."""

Pictures = Mapping[tuple[Any, ...], Mapping[str, np.ndarray]]
"""Planes `xy` (y, x) and `xz` (z, x), counts, by channel (raw), and by channel, number of the method, iterations."""


def write_pilot_page(path: Path, name: str, pilot: Mapping[str, Any], pictures: Pictures) -> None:
    """Write the page of a run's pilot, from what is in pilot.json."""
    voxel_size, planes = pilot.get("result_voxel_size", pilot["voxel_size"]), next(iter(pictures.values()))
    width = planes["xy"].shape[1] * voxel_size["x"]
    bar = choose_scale_bar(width)
    facts = {
        **pilot,
        "name": name,
        "gamma": GAMMA,
        "is_crop": pilot["shape"] != pilot["volume"],
        "aspects": {
            plane: voxel_size["x"] * pixels.shape[1] / (voxel_size[plane[1]] * pixels.shape[0])
            for plane, pixels in planes.items()
        },
        "bar": {"text": f"{bar:g} µm", "percent": round(100 * bar / width, 2)},
        "channels": [
            _describe_channel(channel, channel_facts, pictures, voxel_size["x"])
            for channel, channel_facts in pilot["channels"].items()
        ],
    }
    write_page(path, "pilot.html.jinja", facts)


def _describe_channel(name: str, channel_facts: Mapping[str, Any], pictures: Pictures, voxel: float) -> dict[str, Any]:
    """Collect what is shown of a channel; all its pictures share black, the background, and white."""
    methods = channel_facts["methods"]
    offset = methods[0]["runs"][0]["background"]
    images = {key: planes for key, planes in pictures.items() if key[0] == name}
    images[name,] = {plane: pixels - offset for plane, pixels in pictures[name,].items()}
    brightest = float(np.median([np.percentile(planes["xy"], WHITE) for planes in images.values()]))
    white = brightest if brightest > 0 else 1.0  # a dark volume, or a background above all of it
    pngs = {
        key: {plane: _encode_png(image / white) for plane, image in planes.items()} for key, planes in images.items()
    }
    return {
        **channel_facts,
        "name": name,
        "white": white,
        "raw": pngs[name,],
        "methods": [
            {
                **method,
                "name": name_method(method["settings"]),
                "doubts": list_doubts(method),
                "runs": [
                    {**run, "pictures": pngs[name, number, run["iterations"]], "marks": marks[run["iterations"]]}
                    for marks in [mark_runs(method)]
                    for run in method["runs"]
                ],
            }
            for number, method in enumerate(methods)
        ],
        "charts": _plan_charts(methods, voxel),
        "direction": compare_directions(methods),
        "has_gpu": any(run["gpu_memory_bytes"] is not None for method in methods for run in method["runs"]),
    }


def mark_runs(method: Mapping[str, Any]) -> dict[int, list[str]]:
    """Return for each number of iterations of a method what is to be said of its result."""
    marks: dict[int, list[str]] = {run["iterations"]: [] for run in method["runs"]}
    for key, words in MARKS.items():
        if number := method.get(key):
            marks[min((n for n in marks if n >= number), default=max(marks))].append(words)
    return marks


def list_doubts(method: Mapping[str, Any]) -> list[str]:
    """Return why the result of a method's most iterations is suspect."""
    run: Mapping[str, Any] = max(method["runs"], key=lambda run: run["iterations"], default={})
    return list(run.get("doubts", ()))


def _encode_png(grey: np.ndarray) -> str:
    """Encode a picture, black 0 and white 1, as PNG in base64."""
    pixels = np.rint(255 * np.clip(grey, 0, 1) ** GAMMA).astype(np.uint8)
    return base64.b64encode(imagecodecs.png_encode(pixels)).decode()


def _plan_charts(methods: Sequence[Mapping[str, Any]], voxel: float) -> list[dict[str, Any]]:
    """Place the curves of all methods over their iterations."""
    raw = methods[0]["runs"][0]["resolution_voxels"]["raw"]
    residuals = [{run["iterations"]: run["residual"] for run in method["runs"]} for method in methods]
    periods = [{run["iterations"]: run["resolution_voxels"]["result"] for run in method["runs"]} for method in methods]
    suggestions = [method["suggested"] for method in methods]
    knees = [method.get("knee") for method in methods]
    return [
        {
            "title": "Residual",
            "what": "what the result, blurred by the PSF, leaves unexplained of the image (relative L2)",
            "unit": "%",
            **_plan_chart(residuals, suggestions, 100, None, knees),
        },
        {
            "title": "Resolution",
            "what": "smallest period that an xy plane resolves (decorrelation analysis); dashed: of the raw image",
            "unit": "µm",
            **_plan_chart(periods, suggestions, voxel, raw),
        },
    ]


def _plan_chart(
    curves: Sequence[Mapping[int, float | None]],
    suggestions: Sequence[int | None],
    factor: float,
    level: float | None,
    knees: Sequence[int | None] = (),
) -> dict[str, Any]:
    """Place curves, by iterations on a logarithmic axis, and a level; what is written beside them is times `factor`."""
    counts = sorted({count for curve in curves for count in curve})
    span = ln(counts[-1] / counts[0])

    def place(count: int) -> float:
        return round(100 * ln(max(count, counts[0]) / counts[0]) / span, 2) if span else 50.0

    places = {count: place(count) for count in counts}
    values = [value for value in [*(v for curve in curves for v in curve.values()), level] if value is not None]
    scale = choose_axis(values or [0.0], from_zero=True)
    labels: list[tuple[float, int]] = []
    for count in counts:  # a label that would touch the one before is left out
        if not labels or places[count] - labels[-1][0] >= LABEL_DISTANCE:
            labels.append((places[count], count))
    return {
        "curves": [cut_segments([places[count] for count in curve], list(curve.values()), scale) for curve in curves],
        "ticks": choose_value_ticks(scale, factor),
        "counts": labels,
        "level": None if level is None else scale.place(level),
        "marks": [places.get(count) if count else None for count in suggestions],
        "knees": [place(count) if count else None for count in knees],
    }
