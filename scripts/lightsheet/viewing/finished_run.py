"""A finished run as recorded under `results/NAME`: its volumes' records, its time axis, and where it came from."""

import csv
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from lightsheet.acquisition import find_interval, is_irregular, measure_steps
from lightsheet.provenance import Graph, parse_yaml, read_graph
from lightsheet.store import CONFIG_FILE, Record, Results, VolumeKey
from lightsheet.system import InputError, escape_name, read_json


class VolumeRecords(NamedTuple):
    """The records of a volume's ingest (`raw`) and of its deconvolution (`result`)."""

    channel: str
    timepoint: int
    raw: Record
    result: Record
    number: int | None = None  # of the timepoint in the acquisition, which names its records; None: not known

    @property
    def missing(self) -> bool:
        """Whether there is no such volume among the files, but a hole in the stores."""
        return bool(self.raw.get("missing"))

    @property
    def statistics(self) -> dict[str, Any]:
        """Statistics of the result; empty if the volume is missing."""
        return self.result["statistics"] or {}

    @property
    def light_kept(self) -> float | None:
        """Sum of the result by the sum of the image, None if that was all dark or missing."""
        flux = self.statistics.get("flux_before")
        return self.statistics["sum"] / flux if flux else None


def read_volume_records(results: Results, channel: str, timepoint: int, number: int | None = None) -> VolumeRecords:
    """Read both records of a volume; InputError if one of them does not say that the volume is done.

    `timepoint` is its place in the store, `number` in the acquisition, where that is another.
    """
    number = timepoint if number is None else number
    raw, result = (read_json(results.record(VolumeKey(kind, channel, number))) for kind in ("raw", "result"))
    if not (raw and result and raw["status"] == result["status"] == "done"):
        raise InputError(f"{results.folder}: {channel} timepoint {number} is not done; run the same command again")
    return VolumeRecords(channel, timepoint, raw, result, number)


def link_record(results: Results, channel: str, number: int) -> str:
    """Return where the record of a deconvolved volume is, as seen from the results folder; not yet quoted.

    `number` is that of its timepoint in the acquisition.
    """
    return results.record(VolumeKey("result", channel, number)).relative_to(results.folder).as_posix()


class TimeAxis(NamedTuple):
    """The time axis, as far as it is known, in seconds."""

    interval: float | None  # from one timepoint to the next, the median
    range: tuple[float, float] | None  # the shortest and the longest interval
    irregular: bool  # whether intervals differ more than clocks do
    seconds: list[float] | None  # per timepoint, since the first


def measure_time_axis(seconds: Sequence[float | None]) -> TimeAxis:
    """Describe the time axis of a store; a timepoint of unknown time stands evenly between its neighbours."""
    interval = find_interval(seconds)
    if interval is None:
        return TimeAxis(None, None, False, None)
    steps = [step for _, step in measure_steps(seconds)]
    known_places, times = zip(*[(t, time) for t, time in enumerate(seconds) if time is not None], strict=True)
    timepoints = np.arange(len(seconds))
    overhang = np.minimum(timepoints - known_places[0], 0) + np.maximum(timepoints - known_places[-1], 0)
    complete = np.interp(timepoints, known_places, times) + interval * overhang
    since_first = [float(time) for time in complete - complete[0]]
    return TimeAxis(interval, (min(steps), max(steps)), is_irregular(seconds), since_first)


def read_wavelengths(results: Results) -> dict[str, str]:
    """Return per channel its wavelength in nm, empty if unknown."""
    with results.inventory.open(newline="", encoding="utf-8") as table:
        return {row["channel"]: row["wavelength_nm"] for row in csv.DictReader(table)}


def read_left_out(results: Results) -> list[tuple[str, str]]:
    """Return the name of each TIFF of the input folder that was not used, and why."""
    files = read_json(results.files)
    exclusions = files.get("excluded", []) if isinstance(files, dict) else []
    return [
        (escape_name(name), escape_name(reason).removeprefix(f"{escape_name(name)}: ")) for name, reason in exclusions
    ]


class Origin(NamedTuple):
    """Where the result came from; what is not known is empty."""

    graph: Graph  # commit, times and software
    config: str  # the configuration, defaults filled in, as YAML
    timepoints_per_job: int | str | None  # as configured


def read_origin(results: Results) -> Origin:
    """Read where a result came from: its RO-Crate and the configuration beside it, as far as they are there."""
    try:
        graph = read_graph(results.folder)
    except InputError:  # `verify` says what is wrong with it; the page shows the rest
        graph = Graph({})
    path = results.folder / CONFIG_FILE
    config = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    try:
        per_job = parse_yaml(path, config)["deconvolution"]["timepoints_per_job"]
    except (InputError, LookupError, TypeError):
        per_job = None
    return Origin(graph, config, per_job)
