"""The report of a finished run: one HTML page, from what stands under `results/NAME`.

It shows the published stores, the records, the PSFs used, the inventory and the provenance. The page needs no network:
its pictures are embedded, its curves are plain SVG, and its links are relative.
"""

import base64
import shlex
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

from lightsheet.processing import (
    Choice,
    describe_rate,
    find_stored_per_count,
    judge_units,
    measure_rate,
    read_choices,
)
from lightsheet.provenance import FOLDER_PLACEHOLDER, describe_mixture
from lightsheet.run import Suspicion, find_suspicions, read_identity
from lightsheet.store import CONFIG_FILE, PublishedImage, Results, VolumeKey, read_image
from lightsheet.system import Progress, read_json, write_ranges
from lightsheet.viewing.axes import choose_time_ticks
from lightsheet.viewing.charts import draw_charts
from lightsheet.viewing.choices import list_chosen_values, list_warnings
from lightsheet.viewing.costs import count_costs, sum_hosts, sum_stages
from lightsheet.viewing.finished_run import (
    VolumeRecords,
    link_record,
    measure_time_axis,
    read_left_out,
    read_origin,
    read_volume_records,
    read_wavelengths,
)
from lightsheet.viewing.measures import MEASURES, format_measure
from lightsheet.viewing.outliers import Trend, choose_strongest, describe_outlier_rule, follow_measure, list_outliers
from lightsheet.viewing.page import write_page
from lightsheet.viewing.pictures import GAMMA, WINDOW, choose_timepoints, draw_volume
from lightsheet.viewing.rounding import describe_rounding
from lightsheet.viewing.timeline import draw_timeline, measure_efficiency

OPEN_ROWS = 40
"""A longer table starts collapsed."""

DRAWING_PROGRESS_SECONDS = 5.0
"""Pause between two lines in the log about the pictures of a channel."""

MOST_DOTS = 60
"""With more timepoints only those without a neighbour are drawn as a dot."""

OUTLIER_PICTURES = 4
"""At most this many outliers of a channel are among its pictures."""


def write_report(results: Results, path: Path) -> None:
    """Write the report of a finished run: an HTML file, whole or not at all, whose links hold in the results folder.

    InputError if a store is not published or a volume has no record.
    """
    write_page(path, "report.html.jinja", _collect_facts(results))


def _collect_facts(results: Results) -> dict[str, Any]:
    """Collect what the templates show."""
    image = read_image(results, "result")
    voxels, pixel = prod(image.raw_shape), image.voxel_size["x"]
    time, origin = measure_time_axis(image.seconds), read_origin(results)
    places = list(enumerate(image.numbers))
    records = {c.name: [read_volume_records(results, c.name, *place) for place in places] for c in image.channels}
    trends = {c: [follow_measure(measure, records[c], voxels, pixel) for measure in MEASURES] for c in records}
    volumes = [volume for channels in zip(*records.values(), strict=True) for volume in channels]
    links = {(v.channel, v.timepoint): link_record(results, v.channel, image.numbers[v.timepoint]) for v in volumes}
    choices = read_choices(results)
    return {
        "name": results.name,
        "publication": read_identity(results.store),
        **_describe_image(image),
        **_describe_holes(records),
        **_collect_costs(volumes),
        **_collect_doubts(results, image, volumes),
        "time": time,
        "channels": [
            _collect_channel(results, c, records[c], trends[c], choices.get(c), image.voxel_size) for c in records
        ],
        "wavelengths": read_wavelengths(results),
        "left_out": read_left_out(results),
        "charts": draw_charts(trends, time.seconds),
        "times": choose_time_ticks(len(image.timepoints), time.seconds),
        "most_dots": MOST_DOTS,
        "trends": trends,
        "outliers": list_outliers(results, trends, origin.timepoints_per_job, image.numbers),
        "rule": describe_outlier_rule(),
        "settings": _collect_settings(records),
        "mixture": describe_mixture(volume.result for volume in volumes),
        "rounding": describe_rounding(records),
        "links": links,
        "origin": origin,
        "config": CONFIG_FILE,
        "folder": shlex.quote(str(results.folder)),
        "repeated": shlex.quote(f"{FOLDER_PLACEHOLDER}/{results.name}"),
        "contrast": {"window": WINDOW, "gamma": GAMMA},
        "open_rows": OPEN_ROWS,
    }


def _describe_image(image: PublishedImage) -> dict[str, Any]:
    """Return what the store of the result says of itself."""
    return {
        "share": image.share,
        "has_raw": not image.source,
        "timepoints": len(image.timepoints),
        "shape": image.levels[0].shape,
        "dtype": image.dtype,
        "voxel_size": list(image.voxel_size.values()),
        "geometry": image.extra.get("geometry"),
        "raw_shape": image.raw_shape,
        "colours": {channel.name: channel.colour for channel in image.channels},
    }


def _describe_holes(records: Mapping[str, Sequence[VolumeRecords]]) -> dict[str, Any]:
    """Return how many volumes were not recorded, and per channel which."""
    missing = {c: [volume.timepoint for volume in volumes if volume.missing] for c, volumes in records.items()}
    return {
        "missing": sum(map(len, missing.values())),
        "missing_in": {c: write_ranges(timepoints) for c, timepoints in missing.items() if timepoints},
    }


def _collect_costs(volumes: Sequence[VolumeRecords]) -> dict[str, Any]:
    """Collect what the run took, volume by volume, by stage and by host."""
    costs = count_costs(volumes)
    stages = sum_stages(costs)
    rate = measure_rate(volume.result for volume in volumes)
    return {
        "volumes": list(zip(volumes, costs, strict=True)),
        "stages": stages,
        "written": {stage["name"]: stage["written"] for stage in stages},
        "rate": describe_rate(rate) if rate else None,
        "timeline": draw_timeline(volumes),
        "efficiency": measure_efficiency(volumes),
        "hosts": sum_hosts(volumes),
    }


def _collect_doubts(results: Results, image: PublishedImage, volumes: Sequence[VolumeRecords]) -> dict[str, Any]:
    """Collect what cannot be right, or is suspect, by itself."""
    suspicions = _find_suspicions(results, image, volumes)
    return {
        "units": _judge_units(results, image, volumes),
        "suspicions": suspicions,
        "suspects": {(s.channel, timepoint) for s in suspicions for timepoint in s.timepoints},
    }


def _find_suspicions(results: Results, image: PublishedImage, volumes: Sequence[VolumeRecords]) -> list[Suspicion]:
    """Find what is suspect by itself, whatever the other volumes are like."""
    records = {
        VolumeKey(kind, volume.channel, volume.timepoint): record
        for volume in volumes
        for kind, record in (("raw", volume.raw), ("result", volume.result))
    }
    psfs = {channel.name: read_json(results.psf(channel.name, ".json")) for channel in image.channels}
    return find_suspicions(records, psfs, image.raw_shape, image.raw_voxel_size)


def _judge_units(results: Results, image: PublishedImage, volumes: Sequence[VolumeRecords]) -> list[str]:
    """Say what cannot be right in the settings of the run, whatever its volumes are like."""
    facts = [read_json(results.psf(channel.name, ".json")) for channel in image.channels]
    psf_voxel_sizes = [f.get("inputs", {}).get("settings", {}).get("psf_voxel_size") for f in facts]
    doubts = [
        judge_units(image.raw_voxel_size, psf_voxel_size, volume.result["settings"]["iterations"])
        for volume, psf_voxel_size in zip(
            volumes, psf_voxel_sizes, strict=False
        )  # the first timepoint has one volume of each channel
    ]
    return list(dict.fromkeys(doubt.text for channel in doubts for doubt in channel))


def _collect_channel(
    results: Results,
    name: str,
    volumes: Sequence[VolumeRecords],
    trends: Sequence[Trend],
    choice: Choice | None,
    voxel_size: Mapping[str, float],
) -> dict[str, Any]:
    """Collect what is shown of one channel: its pictures, its PSF, and what was chosen from its pixels."""
    backgrounds = (volume.statistics.get("background") for volume in volumes if not volume.missing)
    outliers = choose_strongest(trends, OUTLIER_PICTURES)
    timepoints = choose_timepoints([volume.timepoint for volume in volumes if not volume.missing], outliers)
    progress = Progress(f"draw {name}", len(timepoints), "timepoint", DRAWING_PROGRESS_SECONDS)
    pictures, psf = {}, read_json(results.psf(name, ".json"))
    for t in timepoints:
        scale = find_stored_per_count(volumes[t].result["settings"])
        pictures[t] = draw_volume(results, name, t, volumes[t].statistics["background"], scale)
        progress.step(f"timepoint {t}")
    return {
        "name": name,
        "pictures": pictures,
        "outliers": outliers,
        "psf": psf,
        "warnings": list_warnings(choice, psf, volumes[0].result["settings"].get("scan"), voxel_size),
        "chosen": list_chosen_values(choice, next(backgrounds, None), volumes[0].result["settings"]),
        "psf_png": base64.b64encode(results.psf(name, ".png").read_bytes()).decode(),
    }


def _collect_settings(records: Mapping[str, Sequence[VolumeRecords]]) -> dict[str, str | dict[str, str]]:
    """Return per key the value used, or per channel the values where the channels differ."""
    settings: dict[str, str | dict[str, str]] = {}
    for key in next(iter(records.values()))[0].result["settings"]:
        values = {channel: _write_setting(key, volumes) for channel, volumes in records.items()}
        settings[key] = values if len(set(values.values())) > 1 else next(iter(values.values()))
    return settings


def _write_setting(key: str, volumes: Sequence[VolumeRecords]) -> str:
    """Write a setting of a channel; where that is auto, also the values that were used."""
    text = ", ".join(dict.fromkeys(str(volume.result["settings"][key]) for volume in volumes))
    values = [volume.statistics[key] for volume in volumes if key in volume.statistics]
    if text != "auto" or not values:
        return text
    return "auto: " + " to ".join(dict.fromkeys(format_measure(value) for value in (min(values), max(values))))
