"""What `snakemake pilot` tries: which volume of each channel, which methods, how many iterations.

Nothing here reads pixels, because it runs whenever the Snakefile is parsed.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from lightsheet.deconvolution import ALGORITHM_VERSION
from lightsheet.run import Run, list_pilot_methods
from lightsheet.store import Results, StoreLayout
from lightsheet.system import InputError, digest_json, read_json


def plan_pilot(run: Run) -> dict[str, Any]:
    """Say what the pilot of a run measures, in what Snakemake can compare with an earlier pilot.

    `channels`: per name the timepoint and the tiles of its volume; `sources`: likewise its files, with size and time;
    `algorithm`: its version; `volume`: shape (z, y, x) of that; `region`: start
    and stop along z, y and x of what is deconvolved of it; `dtype`; `voxel_size` (micrometre); `methods`: settings as
    `Run.settings` returns them; `iterations`: how many are tried, ascending; `at_a_time`: workers
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
    methods = select_distinct(settings)
    trials = sorted({*pilot["iterations"], *([iterations] if isinstance(iterations, int) else [])})
    busy = math.ceil(sum(trials) / max(trials)) * len(methods) * len(volumes)  # while the longest trial lasts
    return {
        "channels": volumes,
        "sources": {channel: run.describe_sources(channel, timepoint) for channel, (timepoint, _) in volumes.items()},
        "algorithm": ALGORITHM_VERSION,
        "volume": list(run.shape),
        "region": _choose_region(pilot["crop"], run.shape),
        "dtype": run.dtype,
        "voxel_size": {axis: run.config["voxel_size"][axis] for axis in "zyx"},
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
    z, y, x = (stop - start for start, stop in _choose_region(run.config["pilot"]["crop"], run.shape))
    return dataclasses.replace(run, shape=(z, y, x)).layouts


def name_method(settings: Mapping[str, Any]) -> str:
    """Name a method in words."""
    words = [settings[key] for key in ("engine", "boundary", "acceleration") if settings[key] != "none"]
    return f"{' '.join(words)}, background {settings['background']}"


def describe_outcome(results: Results) -> list[str]:
    """Say which iterations a finished pilot suggests for each channel and method, and where its page is."""
    lines = []
    for channel, measured in read_json(results.pilot)["channels"].items():
        for method in measured["methods"]:
            number = f"{method['suggested']} iterations" if method["suggested"] else "no suggestion"
            lines.append(f"{channel}, {name_method(method['settings'])}: {number}: {method['reason']}")
    return [*lines, f"Pictures and numbers to choose from: {results.pilot_page}"]


def _choose_volume(run: Run, channel: str, timepoint: int) -> list[Any]:
    """Return the nearest timepoint that was recorded, and its tiles."""
    last = run.acquisition.timepoints - 1
    if timepoint > last:
        raise InputError(f"config key pilot.timepoint: there is no timepoint {timepoint}; give 0 to {last}")
    recorded = [volume.timepoint for volume in run.acquisition.volumes if volume.channel == channel and volume.tiles]
    nearest = min(recorded, key=lambda t: abs(t - timepoint))
    return [nearest, run.list_volume_tiles(channel, nearest)]


def _choose_region(crop: Mapping[str, list[int]], volume: tuple[int, ...]) -> list[list[int]]:
    """Return start and stop along each axis, the whole axis unless the crop says."""
    region = []
    for axis, size in zip("zyx", volume, strict=True):
        start, stop = crop.get(axis, [0, size])
        if not 0 <= start < stop <= size:
            raise InputError(
                f"config key pilot.crop.{axis}: {[start, stop]} is no part of a volume, which has {size} voxels along "
                f"{axis}; give a start of 0 or more, and a larger stop of at most {size}"
            )
        region.append([start, stop])
    return region
