"""What of a run is suspect: said at its end and in its report, derived from the records of its volumes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from lightsheet.processing import Doubt, judge_psf, judge_units, judge_volume
from lightsheet.run.run import Run
from lightsheet.store import Record, VolumeKey
from lightsheet.system import read_json, write_ranges


class Suspicion(NamedTuple):
    """A reason to doubt volumes of a channel."""

    channel: str
    reason: str  # with the number of the first of these volumes
    timepoints: Sequence[int]  # of these volumes
    volumes: int  # that the channel has

    @property
    def is_of_all(self) -> bool:
        """Whether every volume of the channel is suspect for this reason."""
        return len(self.timepoints) == self.volumes

    @property
    def extent(self) -> str:
        """How many of the channel's volumes are suspect, and which."""
        if self.is_of_all:
            return f"every volume is suspect ({self.volumes})"
        verb, plural = ("is", "") if len(self.timepoints) == 1 else ("are", "s")
        return (
            f"{len(self.timepoints)} of {self.volumes} volumes {verb} suspect "
            f"(timepoint{plural} {write_ranges(self.timepoints, ' to ')})"
        )

    def __str__(self) -> str:
        """Say which volumes are suspect, and why."""
        return f"{self.channel}: {self.extent}: {self.reason}"


def find_suspicions(
    records: Mapping[VolumeKey, Record | None],
    psfs: Mapping[str, Mapping[str, Any] | None],
    shape: Sequence[int],
    voxel_size: Mapping[str, float],
) -> list[Suspicion]:
    """Find what is suspect among volumes that are done, channel by channel.

    Parameters
    ----------
    records : mapping, of raw volumes and results
    psfs : mapping, per channel the facts about the PSF used
    shape, voxel_size : of a volume, (z, y, x), and of its voxels in micrometre
    """
    doubts: dict[str, dict[int, list[Doubt]]] = defaultdict(dict)
    for key, result in records.items():
        raw = records.get(key.raw)
        if key.kind == "raw" or not raw or not result or result.get("missing"):
            continue
        if raw["status"] == result["status"] == "done":
            doubts[key.channel][key.timepoint] = judge_volume(raw, result, prod(shape))
    return [
        suspicion
        for channel, volumes in doubts.items()
        for suspicion in _group(channel, volumes, judge_psf(psfs.get(channel) or {}, shape, voxel_size))
    ]


def _group(channel: str, volumes: Mapping[int, Sequence[Doubt]], of_all: Sequence[Doubt]) -> list[Suspicion]:
    """Put volumes together that are suspect for the same kind of reason."""
    reasons: dict[str, str] = {}
    timepoints: dict[str, list[int]] = defaultdict(list)
    for timepoint, doubts in sorted(volumes.items()):
        for doubt in (*of_all, *doubts):
            reasons.setdefault(doubt.kind, doubt.text)
            timepoints[doubt.kind].append(timepoint)
    return [Suspicion(channel, reason, timepoints[kind], len(volumes)) for kind, reason in reasons.items()]


def describe_suspicions(run: Run, records: Mapping[VolumeKey, Record | None]) -> list[str]:
    """Say in lines what is suspect of a run, of its volumes that are done, by their records; none if nothing is."""
    psfs = {channel: read_json(run.results.psf(channel, ".json")) for channel in run.channels}
    suspicions = find_suspicions(records, psfs, run.shape, run.config["voxel_size"])
    units, whole = describe_units(run), {suspicion.channel for suspicion in suspicions if suspicion.is_of_all}
    if not units and not suspicions:
        return []
    subject = "Every volume of this run" if units or whole == set(run.channels) else "Something of this run"
    head = f"{subject} is suspect; look at {run.results.report} before you use the result:"
    return [head, *units, *map(str, suspicions)]


def describe_units(run: Run) -> list[str]:
    """Say in lines what cannot be right in a run's configuration, or in what its files say of themselves."""
    iterations, voxel_size = run.config["deconvolution"]["iterations"], run.config["voxel_size"]
    doubts = [
        doubt
        for settings in run.psf_settings.values()
        for doubt in judge_units(voxel_size, settings["psf_voxel_size"], iterations)
    ]
    return list(dict.fromkeys(f"suspect: {doubt.text}" for doubt in doubts))
