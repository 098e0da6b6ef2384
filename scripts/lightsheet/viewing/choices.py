"""What was chosen from the pixels of a channel, for the report: in words, with the number and what it rests on."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from lightsheet.viewing.measures import format_measure

COUNT_DIGITS = 2


class ChosenValue(NamedTuple):
    """A value of a channel that holds for the whole movie."""

    name: str
    value: str
    basis: str  # empty if there is nothing to say


def list_chosen_values(choice: Mapping[str, Any] | None, background: float | None) -> list[ChosenValue]:
    """List what was chosen for a channel; `choice` is its entry in `records/channels.json`, if there is one.

    `background` is what was subtracted from its images, in counts.
    """
    if not choice:
        return []
    rows = [
        _describe_background(choice.get("background") or {}, background),
        _describe_fill(choice.get("fill")),
        *(_describe_number(key, choice.get(key)) for key in ("iterations", "scale")),
    ]
    return [row for row in rows if row]


def _describe_background(sampled: Mapping[str, Any], background: float | None) -> ChosenValue | None:
    levels = sampled.get("timepoints") or {}
    dark = {str(timepoint) for timepoint in sampled.get("dark", levels)}  # others hold light everywhere
    values = [level for timepoint, level in levels.items() if timepoint in dark]
    if background is None or sampled.get("value") is None or not values:
        return None
    low, high = _round(min(values)), _round(max(values))
    count = f"{len(values)} of {len(levels)}" if len(values) < len(levels) else f"{len(levels)}"
    spread = f"{low} to {high}" if high != low else low
    basis = f"{spread} in {count} sampled timepoint{'s' if len(levels) > 1 else ''}"
    if background != sampled["value"]:
        basis = f"as configured; the images show {_round(sampled['value'])}: {basis}"
    return ChosenValue("background", f"{_round(background)} counts", basis)


def _describe_fill(fill: Any) -> ChosenValue | None:
    if not isinstance(fill, Mapping) or fill.get("value") is None:
        return None
    share = fill.get("share")
    basis = "" if share is None else f"{format_measure(share, '%')} of the voxels were never measured"
    return ChosenValue("fill", format_measure(fill["value"]), basis)


def _describe_number(name: str, chosen: Any) -> ChosenValue | None:
    value = chosen.get("value") if isinstance(chosen, Mapping) else chosen
    return None if value is None else ChosenValue(name, format_measure(value), "")


def _round(counts: float) -> str:
    return f"{counts:,.{COUNT_DIGITS}f}".rstrip("0").rstrip(".") if abs(counts) >= 1 else f"{counts:.3g}"


def list_warnings(choice: Mapping[str, Any] | None, psf: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List what warns of a channel, what it is about and the sentence: its pixels, and the PSF used (its facts)."""
    entry = choice or {}
    pixels = [(entry.get("background") or {}).get("warning"), *entry.get("warnings", [])]
    damage = [warning["text"] for warning in psf.get("warnings", [])]
    return [("its images", text) for text in pixels if text] + [("its PSF", text) for text in damage]
