"""What was chosen from the pixels of a channel, for the report: in words, with the number and what it rests on."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lightsheet.processing import describe_shift
from lightsheet.viewing.measures import format_measure

COUNT_DIGITS = 2


class ChosenValue(NamedTuple):
    """A value of a channel that holds for the whole movie."""

    name: str
    value: str
    basis: str  # empty if there is nothing to say


def list_chosen_values(
    choice: Mapping[str, Any] | None, background: float | None, settings: Mapping[str, Any]
) -> list[ChosenValue]:
    """List what was chosen for a channel.

    Parameters
    ----------
    choice : Choice, its entry in `records/channels.json`, if there is one
    background : float, what was subtracted from its images, in counts
    settings : mapping, of the record of a result: what else was chosen once, but is not used now, is left out
    """
    if not choice:
        return []
    rows = [
        _describe_background(choice.get("background") or {}, background),
        _describe_fill(choice.get("fill")),
        *(_describe_trial(key, choice.get(key), settings.get(key)) for key in ("iterations", "scale", "precision")),
    ]
    return [row for row in rows if row]


def _describe_background(choice: Mapping[str, Any], background: float | None) -> ChosenValue | None:
    levels = choice.get("timepoints") or {}
    dark = {str(timepoint) for timepoint in choice.get("dark", levels)}  # others hold light everywhere
    values = [level for timepoint, level in levels.items() if timepoint in dark]
    if background is None or choice.get("value") is None or not values:
        return None
    low, high = _round(min(values)), _round(max(values))
    count = f"{len(values)} of {len(levels)}" if len(values) < len(levels) else f"{len(levels)}"
    spread = f"{low} to {high}" if high != low else low
    basis = f"{spread} in {count} sampled timepoint{'s' if len(levels) > 1 else ''}"
    if background != choice["value"]:
        basis = f"as configured; the images show {_round(choice['value'])}: {basis}"
    return ChosenValue("background", f"{_round(background)} counts", basis)


def _describe_fill(fill: Any) -> ChosenValue | None:
    """Describe the values of voxels that were never measured, or else those that were taken for darkness."""
    if not isinstance(fill, Mapping):
        return None
    if fill.get("values"):
        values = " or ".join(map(format_measure, fill["values"]))
        return ChosenValue("fill", values, f"{format_measure(fill['share'], '%')} of the voxels were never measured")
    doubtful = [
        f"{format_measure(share, '%')} of the voxels are exactly {value:g}" for value, share in fill["doubtful"]
    ]
    return ChosenValue("fill", "none", f"{', '.join(doubtful)}: taken for darkness") if doubtful else None


def _describe_trial(name: str, trial: Any, used: Any) -> ChosenValue | None:
    """Describe what was chosen by trying the PSF on some timepoints, if it is what the volumes were made with."""
    if not isinstance(trial, Mapping) or trial.get("value") is None or trial["value"] != used:
        return None
    if name != "iterations":
        return _describe_fineness(name, trial, used)
    values = [value for value in (trial.get("timepoints") or {}).values() if isinstance(value, int | float)]
    return ChosenValue(name, format_measure(used), _write_range(values))


def _describe_fineness(name: str, trial: Mapping[str, Any], used: float) -> ChosenValue:
    """Describe how finely results are stored; earlier versions tried no noise."""
    trials = [value for value in (trial.get("timepoints") or {}).values() if isinstance(value, Mapping)]
    text = format_measure(used) + (" bits of mantissa" if name == "precision" else "")
    if "bits" in trial:
        text += f", and {trial['bits']} of 16 bits"
    return ChosenValue(name, text, _write_range([value["noise"] for value in trials], "%", "noise of "))


def _write_range(values: Sequence[float], unit: str = "", words: str = "") -> str:
    """Write what was found in some timepoints, from the least to the most; nothing of none."""
    if not values:
        return ""
    low, high = format_measure(min(values), unit), format_measure(max(values), unit)
    spread = f"{low} to {high}" if high != low else low
    return f"{words}{spread} in {len(values)} tried timepoint{'s' if len(values) > 1 else ''}"


def _round(counts: float) -> str:
    return f"{counts:,.{COUNT_DIGITS}f}".rstrip("0").rstrip(".") if abs(counts) >= 1 else f"{counts:.3g}"


def list_warnings(
    choice: Mapping[str, Any] | None,
    psf: Mapping[str, Any],
    scan: Mapping[str, Any] | None,
    voxel_size: Mapping[str, float],
) -> list[tuple[str, str]]:
    """List what warns of a channel, what it is about and the sentence.

    Parameters
    ----------
    choice : Choice, its entry in `records/channels.json`, if there is one
    psf : mapping, the facts of the PSF used
    scan : mapping, of the settings of a result: how a stage moved; None: the images are straight
    voxel_size : mapping, of the result, micrometre
    """
    entry = choice or {}
    shift = describe_shift(entry.get("shift"), scan, voxel_size)
    pixels = [(entry.get("background") or {}).get("warning"), *entry.get("warnings", []), shift]
    damage = [warning["text"] for warning in psf.get("warnings", [])]
    return [("its images", text) for text in pixels if text] + [("its PSF", text) for text in damage]
