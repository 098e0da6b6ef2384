"""A finished run as it stands under `results/NAME`: its volumes' records, its time axis, and where it came from."""

import csv
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import yaml

from lightsheet.acquisition import find_interval, is_irregular, measure_steps
from lightsheet.store import CONFIG_FILE, Record, Results, read_record
from lightsheet.system import InputError, read_json


class VolumeRecords(NamedTuple):
    """Both records of a volume.

    Parameters
    ----------
    channel : str
        Its channel.
    timepoint : int
        Index on the time axis.
    raw, result : dict
        What `lightsheet.store.records` holds of its ingest and of its deconvolution.
    """

    channel: str
    timepoint: int
    raw: Record
    result: Record

    @property
    def missing(self) -> bool:
        """Whether there is no such volume among the files, but a hole in the stores."""
        return bool(self.raw.get("missing"))

    @property
    def statistics(self) -> dict[str, Any]:
        """Of the result; empty if the volume is missing."""
        return self.result["statistics"] or {}


def read_volume_records(results: Results, channel: str, timepoint: int) -> VolumeRecords:
    """Read the records of a volume.

    Parameters
    ----------
    results : Results
        The run.
    channel : str
        The volume's channel.
    timepoint : int
        Index on the time axis.

    Returns
    -------
    Volume
        Its records.

    Raises
    ------
    InputError
        If one of them does not say that the volume is done.
    """
    raw, result = (read_record(results.record(kind, channel, timepoint)) for kind in ("raw", "result"))
    if not (raw and result and raw["status"] == result["status"] == "done"):
        raise InputError(f"{results.folder}: {channel} timepoint {timepoint} is not done; run the same command again")
    return VolumeRecords(channel, timepoint, raw, result)


class TimeAxis(NamedTuple):
    """The time axis, as far as it is known.

    Parameters
    ----------
    interval : float or None
        Seconds from one timepoint to the next: the median.
    range : tuple of float or None
        The shortest and the longest of these.
    irregular : bool
        Whether they differ more than clocks do.
    seconds : list of float or None
        Per timepoint, since the first; one of unknown time stands evenly between its neighbours.
    """

    interval: float | None
    range: tuple[float, float] | None
    irregular: bool
    seconds: list[float] | None

    @property
    def elapsed(self) -> float | None:
        """Seconds from the first timepoint to the last."""
        return self.seconds[-1] if self.seconds else None


def read_time_axis(results: Results, timepoints: int) -> TimeAxis:
    """Read the time axis of a published result.

    Parameters
    ----------
    results : Results
        The run, its stores published.
    timepoints : int
        How many there are.
    """
    group = read_json(results.store / "zarr.json")
    seconds: list[float | None] = group["attributes"]["lightsheet"]["seconds"] or [None] * timepoints
    interval = find_interval(seconds)
    if interval is None:
        return TimeAxis(None, None, False, None)
    steps = [step for _, step in measure_steps(seconds)]
    return TimeAxis(interval, (min(steps), max(steps)), is_irregular(seconds), _complete(seconds, interval))


def _complete(seconds: Sequence[float | None], interval: float) -> list[float]:
    """Count from the first timepoint, and give those of unknown time a place."""
    known, times = zip(*[(t, time) for t, time in enumerate(seconds) if time is not None], strict=True)
    every = np.arange(len(seconds))
    beyond = np.minimum(every - known[0], 0) + np.maximum(every - known[-1], 0)
    placed = np.interp(every, known, times) + interval * beyond
    return [float(time) for time in placed - placed[0]]


def read_wavelengths(results: Results) -> dict[str, str]:
    """Return per channel its wavelength in nm, empty if unknown."""
    with (results.folder / "inventory.csv").open(newline="", encoding="utf-8") as table:
        return {row["channel"]: row["wavelength_nm"] for row in csv.DictReader(table)}


class Origin(NamedTuple):
    """Where the result came from.

    Parameters
    ----------
    commit : str
        Of the workflow, empty if unknown.
    versions : dict
        Of the software, by its name.
    started, ended : str
        When, ISO 8601, empty if unknown.
    config : str
        The configuration, defaults filled in, as YAML.
    timepoints_per_job : int or None
        As configured.
    """

    commit: str
    versions: dict[str, str]
    started: str
    ended: str
    config: str
    timepoints_per_job: int | None


def read_origin(results: Results) -> Origin:
    """Read where a result came from: from its RO-Crate and the configuration kept beside it."""
    graph: list[dict[str, Any]] = (read_json(results.crate) or {}).get("@graph", [])
    workflow, action = (_entity(graph, kind) for kind in ("ComputationalWorkflow", "CreateAction"))
    versions = {e["name"]: e["softwareVersion"] for e in graph if "softwareVersion" in e and "name" in e}
    place = results.folder / CONFIG_FILE
    text = place.read_text(encoding="utf-8") if place.exists() else ""
    per_job = ((yaml.safe_load(text) or {}).get("deconvolution") or {}).get("timepoints_per_job")
    started, ended = action.get("startTime", ""), action.get("endTime", "")
    return Origin(workflow.get("version", ""), versions, started, ended, text, per_job)


def _entity(graph: Sequence[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Return the first entity of a type, empty if there is none."""
    return next((entity for entity in graph if kind in entity["@type"]), {})
