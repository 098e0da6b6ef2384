"""What `snakemake pilot` tries: which volume of each channel, which methods, how many iterations.

Nothing here reads pixels, because it runs whenever the Snakefile is parsed.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from lightsheet.deconvolution import ALGORITHM_VERSION
from lightsheet.planning.directions import add_direction, compare_directions, is_reversed, list_psf_images
from lightsheet.run import Run, choose_spans, list_pilot_methods
from lightsheet.store import Results, StoreLayout
from lightsheet.system import InputError, digest_json, read_json


def plan_pilot(run: Run) -> dict[str, Any]:
    """Say what the pilot of a run measures, in what Snakemake can compare with an earlier pilot.

    `channels`: per name the timepoint and the tiles of its volume; `sources`: likewise its files, with size and time;
    `algorithm`: its version; `volume`: shape (z, y, x) of that; `region`: start
    and stop along z, y and x of what is deconvolved of it; `part`: the part of the source's volume that this is, if
    not all; `dtype`; `voxel_size` (micrometre), and of a stage scan `result_voxel_size` and `psf_images`; `scan` where
    the user says that the images are straight; `methods`: settings as `Run.settings` returns them, the last one of a
    stage scan with the other direction; `iterations`: how many are tried, ascending; `at_a_time`: workers
    that have something to do, of those that a job of the run would have.
    """
    pilot, iterations = run.config["pilot"], run.config["deconvolution"]["iterations"]
    settings = [
        dataclasses.replace(run, config={**run.config, "deconvolution": method}).settings
        for method in list_pilot_methods(run.config).values()
    ]
    for method in settings:
        del method["iterations"]
    volumes = {channel: _choose_volume(run, channel, pilot["timepoint"]) for channel in run.channels}
    methods = select_distinct(add_direction(settings))
    trials = sorted({*pilot["iterations"], *([iterations] if isinstance(iterations, int) else [])})
    busy = math.ceil(sum(trials) / max(trials)) * len(methods) * len(volumes)  # while the longest trial lasts
    return {
        "channels": volumes,
        "sources": {channel: run.describe_sources(channel, timepoint) for channel, (timepoint, _) in volumes.items()},
        "algorithm": ALGORITHM_VERSION,
        "volume": list(run.shape),
        "region": choose_spans("pilot.crop", pilot["crop"], run.shape),
        **({"part": run.region} if run.region else {}),
        "dtype": run.dtype,
        "voxel_size": {axis: run.config["voxel_size"][axis] for axis in "zyx"},
        **({"result_voxel_size": run.voxel_sizes["result"]} if run.geometry else {}),
        **({"psf_images": list_psf_images(run)} if run.scan else {}),
        **({"scan": "straight"} if run.config["input"]["scan"] == "straight" else {}),
        "methods": methods,
        "iterations": trials,
        "at_a_time": min(busy, max(map(len, run.blocks.values())) * len(run.channels)),
    }


def is_pilot_current(results: Results, plan: Mapping[str, Any]) -> bool:
    """Tell whether a finished pilot is of this plan, whatever Snakemake remembers and the files' dates are."""
    numbers = read_json(results.pilot)
    return isinstance(numbers, dict) and numbers.get("plan") == digest_json(plan)


def select_distinct(methods: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out methods that stand earlier in the list."""
    return [method for number, method in enumerate(methods) if method not in methods[:number]]


def plan_layouts(run: Run) -> dict[str, StoreLayout]:
    """Return the layout of raw and of result volumes of the pilot: the run's own, or those of the crop."""
    z, y, x = (stop - start for start, stop in choose_spans("pilot.crop", run.config["pilot"]["crop"], run.shape))
    return dataclasses.replace(run, shape=(z, y, x)).layouts


def name_method(settings: Mapping[str, Any]) -> str:
    """Name a method in words."""
    words = [settings[key] for key in ("engine", "boundary", "acceleration") if settings[key] != "none"]
    direction = f", direction {settings['scan']['direction']}" if "scan" in settings else ""
    return f"{' '.join(words)}, background {settings['background']}{direction}"


def describe_outcome(results: Results) -> list[str]:
    """Say which iterations a finished pilot suggests for each channel and method, and where its page is."""
    lines = []
    for channel, channel_facts in read_json(results.pilot)["channels"].items():
        first = channel_facts["methods"][0]["settings"]
        for method in (m for m in channel_facts["methods"] if not is_reversed(m["settings"], first)):
            number = f"{method['suggested']} iterations" if method["suggested"] else "no suggestion"
            lines.append(f"{channel}, {name_method(method['settings'])}: {number}: {method['reason']}")
        if verdict := compare_directions(channel_facts["methods"]):
            lines.append(f"{channel}: {verdict}")
    return [*lines, f"Pictures and numbers to choose from: {results.pilot_page}"]


def _choose_volume(run: Run, channel: str, timepoint: int) -> list[Any]:
    """Return the nearest timepoint that was recorded, of those that are selected, and its tiles."""
    part = run.acquisition.part
    last = (part.whole_timepoints if part else run.acquisition.timepoints) - 1
    if timepoint > last:
        raise InputError(f"config key pilot.timepoint: there is no timepoint {timepoint}; give 0 to {last}")
    timepoints = [volume.timepoint for volume in run.acquisition.volumes if volume.channel == channel and volume.tiles]
    nearest = min(timepoints, key=lambda t: abs(t - timepoint))
    return [nearest, run.list_volume_tiles(channel, nearest)]
