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

from lightsheet.processing import find_stored_per_count
from lightsheet.provenance import FOLDER_PLACEHOLDER
from lightsheet.store import CONFIG_FILE, Results, list_colours, read_ome
from lightsheet.system import Progress, format_duration, format_size, read_json, write_text
from lightsheet.viewing.before_after import GAMMA, WINDOW, choose_timepoints, draw_volume
from lightsheet.viewing.costs import STORES, count_costs, sum_hosts, sum_stages
from lightsheet.viewing.measures import Scale, format_measure, format_moment, measure_light_kept
from lightsheet.viewing.panels import follow_measures, link_record, list_outliers, place_curves
from lightsheet.viewing.run_table import (
    VolumeRecords,
    read_origin,
    read_time_axis,
    read_volume_records,
    read_wavelengths,
)
from lightsheet.viewing.trends import Trend, choose_strongest, describe_outlier_rule

TEMPLATES = Path(__file__).parent / "templates"
"""The templates."""

OPEN_ROWS = 40
"""A longer table starts collapsed."""

DRAWING_NEWS_SECONDS = 5.0
"""Between two lines in the log about the pictures of a channel."""

MARKED = 4
"""Of each channel at most so many outliers are among the pictures."""


def write_report(results: Results, path: Path) -> None:
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
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": format_measure,
        "size": format_size,
        "duration": format_duration,
        "moment": format_moment,
    }
    write_text(path, environment.get_template("report.html.jinja").render(_facts(results)))


def _facts(results: Results) -> dict[str, Any]:
    """Collect what the templates show."""
    image = read_ome(results.store)
    colours, first = list_colours(image), image["multiscales"][0]["datasets"][0]
    voxel_size = first["coordinateTransformations"][0]["scale"][2:]
    array = zarr.open_array(results.store / first["path"], mode="r")
    timepoints, shape = array.shape[0], array.shape[2:]
    time, origin = read_time_axis(results, timepoints), read_origin(results)
    done = {c: [read_volume_records(results, c, t) for t in range(timepoints)] for c in colours}
    followed = follow_measures(done, Scale(prod(shape), voxel_size[2]))
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
        "wavelengths": read_wavelengths(results),
        "panels": place_curves(results, followed, time),
        "outliers": list_outliers(results, followed, origin.timepoints_per_job),
        "rule": describe_outlier_rule(),
        "settings": _settings(done),
        "missing": [volume for volume in volumes if volume.missing],
        "missing_in": {c: text for c, own in done.items() if (text := _runs([v.timepoint for v in own if v.missing]))},
        "origin": origin,
        "config": CONFIG_FILE,
        "folder": shlex.quote(str(results.folder)),
        "repeated": shlex.quote(f"{FOLDER_PLACEHOLDER}/{results.name}"),
        "contrast": {"window": WINDOW, "gamma": GAMMA},
        "open_rows": OPEN_ROWS,
        **_work(results, volumes, Scale(prod(shape), voxel_size[2])),
    }


def _work(results: Results, volumes: Sequence[VolumeRecords], scale: Scale) -> dict[str, Any]:
    """Say what the run took, and what of each volume stands in the table."""
    each = count_costs(volumes)
    return {
        "volumes": [
            {
                "of": volume,
                "cost": cost,
                "flux": measure_light_kept(volume, scale),
                "record": link_record(results, volume.channel, volume.timepoint),
            }
            for volume, cost in zip(volumes, each, strict=True)
        ],
        "stages": sum_stages(each),
        "hosts": sum_hosts(volumes),
        "written": {kind: sum(cost.written[stage] for cost in each) for kind, stage in STORES.items()},
    }


def _channel(
    results: Results, name: str, volumes: Sequence[VolumeRecords], followed: Sequence[Trend]
) -> dict[str, Any]:
    """Collect what is shown of one channel: its pictures and its PSF."""
    there = [volume.timepoint for volume in volumes if not volume.missing]
    marked = choose_strongest(followed, MARKED)
    shown = choose_timepoints(there, marked)
    progress = Progress(f"draw {name}", len(shown), "timepoint", DRAWING_NEWS_SECONDS)
    pictures = {}
    for t in shown:
        pictures[t] = _picture(results, volumes[t])
        progress.step(f"timepoint {t}")
    return {
        "name": name,
        "pictures": pictures,
        "marked": marked,
        "psf": read_json(results.psf(name, ".json")),
        "psf_png": base64.b64encode(results.psf(name, ".png").read_bytes()).decode(),
    }


def _picture(results: Results, volume: VolumeRecords) -> dict[str, Any]:
    scale = find_stored_per_count(volume.result["settings"])
    background = volume.statistics["background"]
    return draw_volume(results, volume.channel, volume.timepoint, background, scale)


def _runs(timepoints: Sequence[int]) -> str:
    """Write timepoints in order as `3, 7–12`."""
    runs = [[t for _, t in run] for _, run in groupby(enumerate(timepoints), lambda pair: pair[1] - pair[0])]
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _settings(volumes: Mapping[str, Sequence[VolumeRecords]]) -> dict[str, str | dict[str, str]]:
    """Return per key the value used, or per channel the values where the channels differ."""
    used: dict[str, str | dict[str, str]] = {}
    for key in next(iter(volumes.values()))[0].result["settings"]:
        values = {channel: _setting(key, own) for channel, own in volumes.items()}
        used[key] = values if len(set(values.values())) > 1 else next(iter(values.values()))
    return used


def _setting(key: str, volumes: Sequence[VolumeRecords]) -> str:
    """Say a setting of a channel; where that is auto, also what was found."""
    said = ", ".join(dict.fromkeys(str(volume.result["settings"][key]) for volume in volumes))
    found = [volume.statistics[key] for volume in volumes if key in volume.statistics]
    if said != "auto" or not found:
        return said
    return "auto: " + " to ".join(dict.fromkeys(format_measure(value) for value in (min(found), max(found))))
