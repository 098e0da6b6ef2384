"""What a person looks at: one HTML page about a finished run.

Everything is read from what stands under `results/NAME`: the published stores, the records, the PSFs used, the
inventory and the provenance. The page needs no network; its pictures are embedded, its curves are plain SVG, and its
links are relative.
"""

import base64
import shlex
from collections.abc import Mapping, Sequence
from itertools import groupby
from math import prod
from pathlib import Path
from typing import Any

import zarr
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lightsheet import counts, files, log, ome, repetition
from lightsheet.page import before_after, costs, finished, measures, panels, trends
from lightsheet.page.finished import Volume
from lightsheet.page.measures import Scale
from lightsheet.page.trends import Trend
from lightsheet.results import CONFIG, Results

PAGE = Path(__file__).parent
"""The templates."""

OPEN_ROWS = 40
"""A longer table starts collapsed."""

DRAWING_NEWS_SECONDS = 5.0
"""Between two lines in the log about the pictures of a channel."""

MARKED = 4
"""Of each channel at most so many outliers are among the pictures."""


def write(results: Results, path: Path) -> None:
    """Write the report of a finished run.

    Parameters
    ----------
    results : Results
        The run, its stores published.
    path : Path
        The HTML file, which appears whole or not at all; its links hold in the results folder.

    Raises
    ------
    InputError
        If a store is not published or a volume has no record.
    """
    environment = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "number": measures.number,
        "size": log.size,
        "duration": log.duration,
        "moment": measures.moment,
    }
    files.write_text(path, environment.get_template("report.html.jinja").render(_facts(results)))


def _facts(results: Results) -> dict[str, Any]:
    """Collect what the templates show."""
    image = ome.read(results.store)
    colours, first = ome.colours(image), image["multiscales"][0]["datasets"][0]
    voxel_size = first["coordinateTransformations"][0]["scale"][2:]
    array = zarr.open_array(results.store / first["path"], mode="r")
    timepoints, shape = array.shape[0], array.shape[2:]
    time, origin = finished.time(results, timepoints), finished.origin(results)
    done = {c: [finished.volume(results, c, t) for t in range(timepoints)] for c in colours}
    followed = panels.follow(done, Scale(prod(shape), voxel_size[2]))
    volumes = [volume for of_all in zip(*done.values(), strict=True) for volume in of_all]
    return {
        "name": results.name,
        "timepoints": timepoints,
        "shape": shape,
        "dtype": array.dtype,
        "voxel_size": voxel_size,
        "time": time,
        "colours": colours,
        "channels": [_channel(results, c, done[c], followed[c]) for c in colours],
        "wavelengths": finished.wavelengths(results),
        "panels": panels.draw(results, followed, time),
        "outliers": panels.outliers(results, followed, origin.timepoints_per_job),
        "rule": trends.rule(),
        "settings": _settings(done),
        "missing": [volume for volume in volumes if volume.missing],
        "missing_in": {c: text for c, own in done.items() if (text := _runs([v.timepoint for v in own if v.missing]))},
        "origin": origin,
        "config": CONFIG,
        "folder": shlex.quote(str(results.folder)),
        "repeated": shlex.quote(f"{repetition.FOLDER}/{results.name}"),
        "contrast": {"window": before_after.WINDOW, "gamma": before_after.GAMMA},
        "open_rows": OPEN_ROWS,
        **_work(results, volumes, Scale(prod(shape), voxel_size[2])),
    }


def _work(results: Results, volumes: Sequence[Volume], scale: Scale) -> dict[str, Any]:
    """Say what the run took, and what of each volume stands in the table."""
    each = costs.of_volumes(volumes)
    return {
        "volumes": [
            {
                "of": volume,
                "cost": cost,
                "flux": measures.flux(volume, scale),
                "record": panels.record_link(results, volume.channel, volume.timepoint),
            }
            for volume, cost in zip(volumes, each, strict=True)
        ],
        "stages": costs.stages(each),
        "hosts": costs.hosts(volumes),
        "written": {kind: sum(cost.written[stage] for cost in each) for kind, stage in costs.STORES.items()},
    }


def _channel(results: Results, name: str, volumes: Sequence[Volume], followed: Sequence[Trend]) -> dict[str, Any]:
    """Collect what is shown of one channel: its pictures and its PSF."""
    there = [volume.timepoint for volume in volumes if not volume.missing]
    marked = trends.strongest(followed, MARKED)
    shown = before_after.choose(there, marked)
    progress = log.Progress(f"draw {name}", len(shown), "timepoint", DRAWING_NEWS_SECONDS)
    pictures = {}
    for t in shown:
        pictures[t] = _picture(results, volumes[t])
        progress.step(f"timepoint {t}")
    return {
        "name": name,
        "pictures": pictures,
        "marked": marked,
        "psf": files.read_json(results.psf(name, ".json")),
        "psf_png": base64.b64encode(results.psf(name, ".png").read_bytes()).decode(),
    }


def _picture(results: Results, volume: Volume) -> dict[str, Any]:
    scale = counts.stored_per_count(volume.result["settings"])
    background = volume.statistics["background"]
    return before_after.embed(results, volume.channel, volume.timepoint, background, scale)


def _runs(timepoints: Sequence[int]) -> str:
    """Write timepoints in order as `3, 7–12`."""
    runs = [[t for _, t in run] for _, run in groupby(enumerate(timepoints), lambda pair: pair[1] - pair[0])]
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _settings(volumes: Mapping[str, Sequence[Volume]]) -> dict[str, str | dict[str, str]]:
    """Return per key the value used, or per channel the values where the channels differ."""
    used: dict[str, str | dict[str, str]] = {}
    for key in next(iter(volumes.values()))[0].result["settings"]:
        values = {channel: _setting(key, own) for channel, own in volumes.items()}
        used[key] = values if len(set(values.values())) > 1 else next(iter(values.values()))
    return used


def _setting(key: str, volumes: Sequence[Volume]) -> str:
    """Say a setting of a channel; where that is auto, also what was found."""
    said = ", ".join(dict.fromkeys(str(volume.result["settings"][key]) for volume in volumes))
    found = [volume.statistics[key] for volume in volumes if key in volume.statistics]
    if said != "auto" or not found:
        return said
    return "auto: " + " to ".join(dict.fromkeys(measures.number(value) for value in (min(found), max(found))))
