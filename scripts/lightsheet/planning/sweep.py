"""What `snakemake pilot` tries: which volume of each channel, which methods, how many iterations.

Nothing here reads pixels: it is asked whenever the Snakefile is parsed.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from lightsheet.run import Run, list_pilot_methods
from lightsheet.store import Results, StoreLayout
from lightsheet.system import InputError, read_json

PilotPlan = Mapping[str, Any]
"""What `of` returns."""


def plan_pilot(run: Run) -> dict[str, Any]:
    """Say what the pilot of a run measures, in what Snakemake can compare with an earlier pilot.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    dict
        `channels`: per name the timepoint and the tiles of its volume; `volume`: shape (z, y, x) of that; `region`:
        start and stop along z, y and x of what is deconvolved of it; `dtype`; `voxel_size`; `methods`: settings as
        `Run.settings` returns them; `iterations`: how many are tried, ascending; `at_a_time`: volumes that the workers
        of a job of the run have.

    Raises
    ------
    InputError
        If the configuration asks for a timepoint or a crop that there is not.
    """
    asked, own = run.config["pilot"], run.config["deconvolution"]["iterations"]
    settings = [
        dataclasses.replace(run, config={**run.config, "deconvolution": method}).settings
        for method in list_pilot_methods(run.config).values()
    ]
    for method in settings:
        del method["iterations"]
    return {
        "channels": {channel: _volume(run, channel, asked["timepoint"]) for channel in run.channels},
        "volume": list(run.shape),
        "region": _region(asked["crop"], run.shape),
        "dtype": run.dtype,
        "voxel_size": {axis: run.config["voxel_size"][axis] for axis in "zyx"},
        "methods": select_distinct(settings),
        "iterations": sorted({*asked["iterations"], *([own] if own != "auto" else [])}),
        "at_a_time": max(map(len, run.blocks.values())) * len(run.channels),
    }


def select_distinct(methods: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out methods that have been named already."""
    return [method for number, method in enumerate(methods) if method not in methods[:number]]


def plan_layouts(run: Run) -> dict[str, StoreLayout]:
    """Return the layout of raw and of result volumes: the run's own, or those of the crop."""
    z, y, x = (stop - start for start, stop in _region(run.config["pilot"]["crop"], run.shape))
    return dataclasses.replace(run, shape=(z, y, x)).layouts


def find_pilot_shape(plan: PilotPlan) -> tuple[int, int, int]:
    """Return the shape (z, y, x) of what is deconvolved."""
    z, y, x = (stop - start for start, stop in plan["region"])
    return z, y, x


def is_crop(plan: PilotPlan) -> bool:
    """Tell whether that is less than the volume."""
    return prod(find_pilot_shape(plan)) < prod(plan["volume"])


def list_sources(plan: PilotPlan) -> list[str]:
    """Return the TIFF files that are read."""
    every = (tiles for _, tiles in plan["channels"].values())
    return list(dict.fromkeys(path for tiles in every for _, pieces in tiles for path, _ in pieces))


def name_method(settings: Mapping[str, Any]) -> str:
    """Say in words which method that is."""
    words = [settings["engine"], settings["boundary"]]
    if settings["acceleration"] != "none":
        words.append(settings["acceleration"])
    return f"{' '.join(words)}, background {settings['background']}"


def describe_outcome(results: Results) -> list[str]:
    """Say what a pilot found for each channel, and where it can be seen."""
    lines = []
    for channel, found in read_json(results.pilot)["channels"].items():
        for method in found["methods"]:
            number = f"{method['suggested']} iterations" if method["suggested"] else "no suggestion"
            lines.append(f"{channel}, {name_method(method['settings'])}: {number}: {method['reason']}")
    return [*lines, f"Pictures and numbers to choose from: {results.pilot_page}"]


def _volume(run: Run, channel: str, asked: int) -> list[Any]:
    """Return the timepoint nearest to the one asked for that is no hole, and its tiles."""
    last = run.acquisition.timepoints - 1
    if asked > last:
        raise InputError(f"config key pilot.timepoint: there is no timepoint {asked}; give 0 to {last}")
    there = (t for t in range(last + 1) if (channel, t) not in run.acquisition.holes)
    timepoint = min(there, key=lambda t: abs(t - asked))
    block = next(block for block, timepoints in run.blocks.items() if timepoint in timepoints)
    return [timepoint, dict(run.list_tiles(channel, block))[timepoint]]


def _region(crop: Mapping[str, list[int]], volume: tuple[int, ...]) -> list[list[int]]:
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
