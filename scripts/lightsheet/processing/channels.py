"""The choice from a channel's pixels: once, before its first volume, from a sample of its sources.

It is kept until its basis changes, or every file of the sample: when timepoints are appended or a TIFF is replaced, the
movie stays comparable. `channel_choices` says what an entry holds and how it is used.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lightsheet.processing.background import choose_background
from lightsheet.processing.channel_choices import (
    Basis,
    Choice,
    find_choice,
    read_choices,
    resolve_background,
    write_choices,
)
from lightsheet.processing.fill import choose_fill, describe_fill_choice, find_mask, resolve_fill
from lightsheet.processing.foresight import describe_pixels
from lightsheet.processing.sample import Sample, choose_timepoints, read_sample
from lightsheet.processing.straightness import measure_shift
from lightsheet.sources import Tiles, stat_source
from lightsheet.store import Results, VolumeKey
from lightsheet.system import read_json


def describe_channel(sample: Sample, basis: Basis) -> dict[str, Any]:
    """Find out what holds for all volumes of a channel: what is found in its pixels plugs in here.

    Parameters
    ----------
    sample : Sample, with planes of at least one timepoint
    basis : mapping, from `list_choice_basis`: the settings that this may depend on, and no others

    Returns
    -------
    dict
        What JSON can hold. `fill`: what `choose_fill` returns; `background`: what `choose_background` returns; `image`:
        what `describe_pixels` returns; `shift`: what `measure_shift` returns; `warnings`: sentences.
    """
    fill = choose_fill(sample.planes, basis["fill"])
    masks = {t: find_mask(pixels, resolve_fill(basis["fill"], fill)) for t, pixels in sample.planes.items()}
    background = choose_background(sample.planes, masks)
    value = background["value"] if basis["background"] == "auto" else basis["background"]
    # Fill shows that a volume was deskewed or rotated already: its faces lie aslant then, and would pass for a shift.
    likely = choose_fill(sample.planes, "auto") if basis["fill"] == "none" else fill
    has_fill = bool(likely and (likely["values"] or likely["doubtful"]))
    warnings = []
    if basis["background"] == "auto" and background["is_guess"]:
        warnings.append(
            "its volumes are so small that light in their darkest part cannot be told from the camera's offset: "
            f"{value:g} is a guess; give deconvolution.background in counts"
        )
    return {
        "fill": fill,
        "background": background,
        "image": describe_pixels(sample.planes, value, masks),
        "shift": None if has_fill else measure_shift(sample.planes, basis["shape"][0]),
        "warnings": warnings,
    }


def choose_for_channels(
    results: Results, bases: Mapping[str, Basis], list_tiles: Callable[[str], Sequence[tuple[int, Tiles]]]
) -> dict[str, Choice]:
    """Write the entries of channels that have none on their basis; return all.

    Parameters
    ----------
    results : Results, where `records/channels.json` is
    bases : mapping, per channel what `list_choice_basis` returned
    list_tiles : callable, returns each timepoint of a channel and its tiles

    Raises
    ------
    InputError
        If a channel's background is to be chosen and cannot be: it asks for a number.
    """
    before, choices = read_choices(results), read_choices(results)
    for channel, basis in bases.items():
        tiles = list_tiles(channel)
        choice = find_choice(choices, channel, basis)
        if choice and not _is_of_same_files(choice, tiles):
            candidate = _choose(channel, basis, tiles, choice["timepoints"])
            is_same = all(candidate.get(key) == choice.get(key) for key in ("background", "fill"))
            choice = choice if is_same else None  # only the dates are others, as of files from an archive
        if choice:
            choices[channel] = {**choice, **_locate(tiles, _list_present(tiles, choice["timepoints"]))}
        else:
            sampled = _recall_timepoints(results, channel) if channel not in choices else ()
            choices[channel] = _choose(channel, basis, tiles, sampled)
    if choices != before:
        write_choices(results, choices)
    for channel, basis in bases.items():
        if choices[channel]["timepoints"]:
            resolve_background(basis["background"], channel, choices[channel])
    return choices


def _list_present(tiles: Sequence[tuple[int, Tiles]], sampled: Sequence[int]) -> list[int]:
    """Return the sampled timepoints that are there; if none is, as others are selected now, sample some of these."""
    recorded = [timepoint for timepoint, volume_tiles in tiles if volume_tiles]
    return sorted(set(sampled) & set(recorded)) or choose_timepoints(recorded)


def _recall_timepoints(results: Results, channel: str) -> list[int]:
    """Return the sampled timepoints of a channel whose entry is lost, from its first record; none if there is none."""
    records = results.record(VolumeKey("result", channel, 0)).parent.glob("t*.json")
    record = read_json(min(records, default=results.channels))
    sampled = record.get("sampled") if isinstance(record, dict) else None
    return [t for t in sampled if isinstance(t, int)] if isinstance(sampled, list) else []


def _choose(channel: str, basis: Basis, tiles: Sequence[tuple[int, Tiles]], timepoints: Sequence[int] = ()) -> Choice:
    """Make a channel's entry, from these timepoints if they are there."""
    sample = read_sample(channel, tiles, basis["shape"], basis["dtype"], timepoints, basis.get("region"))
    return {
        "basis": dict(basis),
        "timepoints": list(sample.planes),
        "unreadable": {str(timepoint): error for timepoint, error in sample.unreadable.items()},
        **_locate(tiles, list(sample.planes)),
        **(describe_channel(sample, basis) if sample.planes else {"background": None}),
    }


def _is_of_same_files(choice: Choice, tiles: Sequence[tuple[int, Tiles]]) -> bool:
    """Tell whether any file of the sample is as it was: only when all of them were replaced is the choice made anew."""
    stamps = _locate(tiles, choice["timepoints"])["stamps"]
    return not stamps or any(choice.get("stamps", {}).get(timepoint) == stamp for timepoint, stamp in stamps.items())


def _locate(tiles: Sequence[tuple[int, Tiles]], timepoints: Sequence[int]) -> dict[str, dict[str, Any]]:
    """Return where the pixels of some timepoints are, as JSON has it, and size and time in ns of their first files."""
    places: dict[str, Any] = {}
    for timepoint, volume_tiles in tiles:
        if timepoint in timepoints and volume_tiles:
            places[str(timepoint)] = [
                [list(position), [[path, pages and list(pages)] for path, pages in pieces]]
                for position, pieces in volume_tiles
            ]
    stats = {timepoint: stat_source(*place[0][1][0]) for timepoint, place in places.items()}
    return {"tiles": places, "stamps": {t: list(stat[: 3 if stat.stamp else 2]) for t, stat in stats.items()}}


def describe_choice(channel: str, choice: Choice) -> list[str]:
    """Say in sentences what was found in a channel's pixels, for the log of the inventory."""
    background = choice["background"] or {"value": None, "is_guess": False}
    lines = list(choice.get("warnings", ()))
    if background["value"] is not None and not background["is_guess"]:
        timepoints = ", ".join(map(str, choice["timepoints"]))
        lines.append(f"the camera's offset is about {background['value']:g} counts, of timepoints {timepoints}")
        lines += [background["warning"]] if background["warning"] else []
    lines += describe_fill_choice(choice.get("fill"))
    return [f"{channel}: {line}" for line in lines]
