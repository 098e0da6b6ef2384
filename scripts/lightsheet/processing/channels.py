"""What is chosen from a channel's pixels: once, before its first volume, from a sample of its sources.

`records/channels.json` holds an entry for each channel. It is written before the first job of a run, and kept until
its basis changes, or every file of the sample: when timepoints are appended or a TIFF is replaced, the movie stays
comparable. An entry has

- `basis`: the settings that it rests on, from `list_choice_basis`;
- `timepoints`: which were sampled; none if no file could be read: then the next run tries again;
- `tiles` and `stamps`: where the pixels of each of them are, for the job that deconvolves, and which files these were;
- `unreadable`: per timepoint that was to be sampled, why it could not be read;
- what `describe_channel` finds in the pixels;
- what `choose_by_trial` adds;
- `digest`: of all this, so that what was damaged is chosen anew.

The job that deconvolves takes the numbers from there before it makes fingerprints, with `resolve_settings`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lightsheet.processing.background import choose_background
from lightsheet.processing.fill import choose_fill, describe_fill_choice, find_mask, resolve_fill
from lightsheet.processing.fingerprint import write_region
from lightsheet.processing.foresight import describe_pixels
from lightsheet.processing.sample import Sample, choose_timepoints, read_sample
from lightsheet.processing.straightness import measure_shift
from lightsheet.sources import Region, Tiles, stat_source
from lightsheet.store import Results, VolumeKey
from lightsheet.system import InputError, digest_json, read_json, wait_until_visible, write_json

CHOICE_VERSION = 1
"""Raised when something else would be chosen from the same pixels, and movies are to be done again for it."""

Choice = dict[str, Any]
"""An entry of `records/channels.json`."""

Basis = Mapping[str, Any]


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
    warnings = []
    # What has fill was deskewed or rotated before; there points lie aslant, if anything does. Its faces do, too.
    likely = choose_fill(sample.planes, "auto") if basis["fill"] == "none" else fill
    has_fill = bool(likely and (likely["values"] or likely["doubtful"]))
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


def list_choice_basis(
    shape: Sequence[int], dtype: str, background: Any, fill: Any, region: Region | None = None
) -> dict[str, Any]:
    """List what a channel's entry rests on: when any of it changes, it is chosen anew.

    Parameters
    ----------
    shape, dtype : sequence of int, str; (z, y, x) and dtype of its raw volumes
    background : float or str, of its configuration: counts, or auto
    fill : float or str, likewise: the value, auto or none
    region : Region, optional, the part of each volume that is selected, which has this shape
    """
    basis = {"version": CHOICE_VERSION, "shape": list(shape), "dtype": dtype}
    return {**basis, "background": background, "fill": fill, **write_region(region)}


def read_choices(results: Results) -> dict[str, Choice]:
    """Return the entries of all channels, but for those that a damaged disk or an editor made something else of."""
    content = read_json(results.channels)
    entries = content.items() if isinstance(content, dict) else ()
    return {
        channel: _leave_out_digest(entry)
        for channel, entry in entries
        if isinstance(entry, dict) and entry.get("digest") == digest_json(_leave_out_digest(entry))
    }


def write_choices(results: Results, choices: Mapping[str, Choice]) -> None:
    """Write the entries of all channels, each with its digest."""
    write_json(
        results.channels, {channel: {**entry, "digest": digest_json(entry)} for channel, entry in choices.items()}
    )


def _leave_out_digest(entry: Choice) -> Choice:
    return {key: value for key, value in entry.items() if key != "digest"}


def find_choice(choices: Mapping[str, Choice], channel: str, basis: Basis) -> Choice | None:
    """Return a channel's entry; None if it must be made first: there is none, or one on another basis, or of no use."""
    choice = choices.get(channel)
    if not choice or not choice["timepoints"] or choice["basis"] != dict(basis):
        return None
    return None if basis["background"] == "auto" and choice["background"]["value"] is None else choice


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
            choice = choice if is_same else None  # archives change dates only
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


def needs_choice(settings: Mapping[str, Any], channel: str) -> bool:
    """Tell whether settings, as `Run.settings` returns them, leave something to be chosen for a channel."""
    return bool(settings["background"][channel] == "auto" or settings["fill"] != "none")


def wait_for_choices(results: Results, settings: Mapping[str, Any], bases: Mapping[str, Basis]) -> dict[str, Choice]:
    """Return the entries of channels for which there is something to choose; another node may just have written them.

    Channels of which no file could be read are not waited for.
    """
    is_tried = "auto" in map(settings.get, ("iterations", "scale", "precision"))  # on what the entry names
    channels = [channel for channel in bases if is_tried or needs_choice(settings, channel)]
    entries: dict[str, Choice] = {}

    def list_missing() -> list[str]:
        entries.update((c, entry) for c, entry in read_choices(results).items() if entry["basis"] == bases.get(c))
        return [f"what is chosen for {channel}" for channel in channels if channel not in entries]

    if missing := wait_until_visible(list_missing, results.channels.parent):
        raise InputError(f"{results.channels}: {missing[0]} is missing: run the same command again")
    return entries


def resolve_settings(settings: Mapping[str, Any], channel: str, choice: Choice | None) -> dict[str, Any]:
    """Return the settings of a channel's volumes, with numbers for what was chosen.

    Parameters
    ----------
    settings : mapping, as `Run.settings` returns them: `background` is per channel, a number or auto; `fill` is a
        number, auto or none
    channel : str
    choice : Choice, of that channel; may be None where nothing is to be chosen

    Raises
    ------
    InputError
        If something that is needed could not be chosen.
    """
    background = resolve_background(settings["background"][channel], channel, choice)
    base = {key: value for key, value in settings.items() if key != "fill"}
    return {**base, "background": background, **resolve_fill(settings["fill"], choice and choice.get("fill"))}


def resolve_background(background: Any, channel: str, choice: Choice | None) -> Any:
    """Return the number of counts that is subtracted, where the configuration leaves it to us."""
    if background != "auto":
        return background
    if not choice or not choice["timepoints"]:
        raise InputError(f"background: auto finds no file of {channel} that can be read: run the same command again")
    if choice["background"]["value"] is None:
        raise InputError(f"config key deconvolution.background: {channel}: {choice['background']['problem']}")
    return choice["background"]["value"]
