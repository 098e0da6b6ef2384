"""What was chosen for each channel, in `records/channels.json`: its entries, when they hold, what volumes take of them.

An entry is written before the first job of a run, by `choose_for_channels`. It has

- `basis`: the settings that it rests on, from `list_choice_basis`;
- `timepoints`: which were sampled; none if no file could be read: then the next run tries again;
- `tiles` and `stamps`: where the pixels of each of them are, for the job that deconvolves, and which files these were;
- `unreadable`: per timepoint that was to be sampled, why it could not be read;
- what `describe_channel` finds in the pixels;
- what `choose_by_trial` adds;
- `digest`: of all this, so that what was damaged is chosen anew.

The job that deconvolves takes the numbers from there before it makes fingerprints, with `resolve_settings`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lightsheet.processing.fill import resolve_fill
from lightsheet.processing.fingerprint import write_region
from lightsheet.sources import Region
from lightsheet.store import Results
from lightsheet.system import InputError, digest_json, read_json, wait_until_visible, write_json

CHOICE_VERSION = 1
"""Raised when something else would be chosen from the same pixels, and movies are to be done again for it."""

Choice = dict[str, Any]
"""An entry of `records/channels.json`."""

Basis = Mapping[str, Any]


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


def needs_choice(settings: Mapping[str, Any], channel: str) -> bool:
    """Tell whether settings, as `Run.settings` returns them, leave something to be chosen for a channel."""
    return bool(settings["background"][channel] == "auto" or settings["fill"] != "none")


def wait_for_choices(results: Results, settings: Mapping[str, Any], bases: Mapping[str, Basis]) -> dict[str, Choice]:
    """Return the entries of channels for which there is something to choose; another node may just have written them.

    Channels of which no file could be read are not waited for.
    """
    is_tried = "auto" in map(settings.get, ("iterations", "scale", "precision"))  # trials need its timepoints
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
