"""A figure for a paper: a volume raw beside deconvolved, one plane or all projected; the file says how it was made."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lightsheet.store import PublishedImage, Results, VolumeKey, find_finished, read_image
from lightsheet.system import InputError, read_json, write_whole
from lightsheet.viewing.measures import format_measure
from lightsheet.viewing.pictures import WINDOW, choose_scale_bar
from lightsheet.viewing.slabs import read_plane

FORMATS = (".pdf", ".svg", ".png")
CAPTIONS = {"raw": "raw", "result": "deconvolved"}
PANEL_INCHES = 3.4
"""Width of a panel; both together are as wide as a page of most journals."""

LEAST_DPI = 300


class _Panel(NamedTuple):
    """An image (y, x) in counts above background, and the counts that are black and white in it."""

    caption: str
    pixels: np.ndarray
    window: tuple[float, float]


def draw_figure(
    folder: Path,
    out: Path,
    channel: str | None = None,
    timepoint: int = 0,
    z: int | None = None,
    y: Sequence[int] | None = None,
    x: Sequence[int] | None = None,
    contrast: Sequence[float] | None = None,
) -> dict[str, Any]:
    """Draw a volume of a finished run, raw beside deconvolved, with a scale bar, to scale.

    Parameters
    ----------
    folder : Path, `results/NAME` of the run
    out : Path, a .pdf, .svg or .png, which appears whole or not at all; an older one is replaced
    channel : str, optional, by default the first
    timepoint : int, of the store, from 0
    z : int, optional, which plane of the result; by default the maximum of all planes
    y, x : two int, optional, the first row or column that is shown, and the one after the last
    contrast : two float, optional, counts above background that are black and white in both; by default each has its
        own, from the first to the 99.8th percentile of what is shown

    Returns
    -------
    dict
        What was drawn and how it was made, as the file's metadata hold it: JSON in `Subject` of a PDF, `Description` of
        a PNG or SVG.

    Raises
    ------
    InputError
        If the run has no such channel, timepoint, plane or region, the format is another, or the run is not finished.
    """
    if out.suffix.lower() not in FORMATS:
        raise InputError(f"{out}: its name ends in none of {', '.join(FORMATS)}")
    if contrast and not -np.inf < contrast[0] < contrast[1] < np.inf:
        raise InputError(f"--contrast: black, {contrast[0]:g}, must be less than white, {contrast[1]:g}")
    results = find_finished(folder)
    image = read_image(results, "result")
    channel = channel or image.channels[0].name
    _check_choice(image, channel, timepoint, z, {"y": y, "x": x})
    number = image.numbers[timepoint] if image.numbers else timepoint
    record = read_json(results.record(VolumeKey("result", channel, number)))
    counts = {"raw": (record["statistics"]["background"], 1.0), "result": (0.0, record["settings"]["scale"])}
    region = tuple(slice(*span) if span else slice(None) for span in (y, x))
    panels = []
    for kind, (background, scale) in counts.items():
        pixels = (read_plane(results, kind, channel, timepoint, z)[region] - background) / scale
        low, high = contrast or np.nanpercentile(pixels, WINDOW)
        panels.append(_Panel(CAPTIONS[kind], pixels, (float(low), float(high) if high > low else float(low) + 1)))
    facts = _describe(results, record, channel, timepoint, z, panels)
    _save(panels, (image.voxel_size["y"], image.voxel_size["x"]), out, facts)
    return facts


def _check_choice(
    image: PublishedImage, channel: str, timepoint: int, z: int | None, spans: dict[str, Sequence[int] | None]
) -> None:
    """Refuse what the run does not have, with what it has."""
    names = [item.name for item in image.channels]
    if channel not in names:
        raise InputError(f"--channel: there is no channel {channel}; the run has {', '.join(names)}")
    if not 0 <= timepoint < len(image.timepoints):
        raise InputError(
            f"--timepoint: there is no volume {timepoint} of {channel}; the run has {len(image.timepoints)} "
            "timepoints, numbered from 0"
        )
    if (channel, timepoint) in image.missing:
        raise InputError(
            f"--timepoint: there is no volume {timepoint} of {channel}: its files are missing, and a hole is recorded"
        )
    depth, *sides = image.levels[0].shape
    if z is not None and not 0 <= z < depth:
        raise InputError(f"--z: there is no plane {z}; the result has {depth}, numbered from 0")
    for (axis, span), size in zip(spans.items(), sides, strict=True):
        if span and not 0 <= span[0] < span[1] <= size:
            raise InputError(f"--{axis}: {span[0]} to {span[1]} is no part of the {size} voxels along {axis}")


def _describe(
    results: Results, record: dict[str, Any], channel: str, timepoint: int, z: int | None, panels: Sequence[_Panel]
) -> dict[str, Any]:
    """Say what is drawn and how it was made."""
    attributes = read_json(results.store / "zarr.json")["attributes"]["lightsheet"]
    return {
        "run": results.name,
        "publication": attributes.get("publication"),
        "channel": channel,
        "timepoint": timepoint,
        "plane": "maximum along z" if z is None else z,
        "counts_black_and_white": {panel.caption: panel.window for panel in panels},
        **{name: record[name] for name in ("settings", "engine", "psf", "source", "fingerprint") if name in record},
    }


def _save(panels: Sequence[_Panel], pixel: tuple[float, float], out: Path, facts: dict[str, Any]) -> None:
    """Draw panels side by side, their pixels (y, x) in micrometre, with a scale bar in the last one."""
    from matplotlib.figure import Figure  # imported here because `lightsheet --help` needs none

    height, width = panels[0].pixels.shape
    ratio = height * pixel[0] / (width * pixel[1])
    figure = Figure(figsize=(2 * PANEL_INCHES + 0.1, PANEL_INCHES * ratio + 0.3))
    bar = choose_scale_bar(width * pixel[1])
    for axes, panel in zip(figure.subplots(1, 2), panels, strict=True):
        low, high = panel.window
        extent = (0, width * pixel[1], height * pixel[0], 0)
        pixels = np.where(np.isnan(panel.pixels), low, panel.pixels)  # black where nothing was measured
        axes.imshow(pixels, cmap="gray", vmin=low, vmax=high, extent=extent, interpolation="none")
        axes.set_axis_off()
        axes.set_title(f"{panel.caption} ({format_measure(low)} to {format_measure(high)} counts)", fontsize=8)
    right, bottom = 0.96 * width * pixel[1], 0.95 * height * pixel[0]
    axes.plot([right - bar, right], [bottom, bottom], color="white", lw=2.5, solid_capstyle="butt")
    axes.text(right - bar / 2, 0.93 * height * pixel[0], f"{bar:g} µm", color="white", ha="center", va="bottom", size=8)
    figure.subplots_adjust(0.005, 0.01, 0.995, 1 - 0.28 / figure.get_figheight(), 0.02)
    title, text = f"{facts['run']}, {facts['channel']}, timepoint {facts['timepoint']}", json.dumps(facts)
    kind = out.suffix.lower()
    metadata = {"Title": title, "Subject" if kind == ".pdf" else "Description": text}
    dpi = max(LEAST_DPI, width / PANEL_INCHES)  # no voxel is lost
    with write_whole(out) as part:
        figure.savefig(part, format=kind[1:], dpi=dpi, metadata=metadata)
