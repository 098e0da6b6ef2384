"""What is chosen from the pixels of each channel, and holds for the whole movie: what is known of it, and its choice.

The sources are read before the first job, in Snakemake's own process: a rule on which all others depend would make them
run again whenever it does. Parsing, and `snakemake -n`, read no pixels.
"""

from collections.abc import Mapping
from typing import Any

from lightsheet.processing import (
    Choice,
    choose_for_channels,
    close_settings,
    find_choice,
    list_open_settings,
    needs_choice,
    read_choices,
    refuse_fill,
    refuse_hopeless,
    refuse_shift,
    resolve_fill,
    resolve_settings,
    write_choices,
)
from lightsheet.run.run import Run
from lightsheet.store import Record, Results

PER_CHANNEL = "one for the channel"
"""Stands for a number that is to be chosen, where an earlier version chose one for each volume."""


def find_choices(run: Run) -> dict[str, Choice | None]:
    """Return what was chosen for each channel; None where it is to be chosen before the first job."""
    choices = read_choices(run.results)
    return {channel: find_choice(choices, channel, basis) for channel, basis in run.choice_bases.items()}


def choose_due(run: Run) -> None:
    """Choose what is to be chosen, and write it down for the jobs of this run and for later runs.

    Raises
    ------
    InputError
        If a channel's pixels do not show what is asked for; it says which number to give.
    """
    _choose(run, run.results)


def choose_for_pilot(run: Run) -> None:
    """Choose what a pilot needs in its scratch folder, and so leave nothing of a run; raises as `choose_due` does."""
    scratch = run.results.pilot_scratch
    write_choices(scratch, read_choices(run.results))
    _choose(run, scratch)


def _choose(run: Run, place: Results) -> None:
    choose_for_channels(place, run.choice_bases, lambda channel: run.list_tiles(channel, run.timepoints))


def refuse_hopeless_channels(run: Run) -> None:
    """Refuse to work for a result that would certainly be worth nothing; a sentence says what to set right."""
    choices, method = find_choices(run), run.config["deconvolution"]
    for channel, choice in choices.items():
        if choice:
            refuse_fill(channel, choice["fill"], method["boundary"], method["engine"])
            refuse_shift(channel, choice.get("shift"), run.config["input"]["scan"], run.config["voxel_size"])
            refuse_hopeless(channel, choice, run.config["output"])


def has_fill(run: Run) -> bool:
    """Tell whether a channel is known to have fill, which takes memory: before it is chosen, none is."""
    if not isinstance(run.config["input"]["fill"], str):
        return True
    return any(resolve_fill("auto", choice["fill"]) for choice in find_choices(run).values() if choice)


def foresee_settings(
    run: Run, channel: str, record: Record, choice: Choice | None, psf_sha256: str | None
) -> dict[str, Any]:
    """Return the settings of a channel's volumes; what is to be chosen is taken to come out as a record has it."""
    settings, old_settings = run.settings, record.get("settings", {})
    fill = old_settings.get("fill") if settings["fill"] == "auto" else None
    same_choice = {"timepoints": [0], "background": {"value": _foresee(old_settings, "background")}, "fill": fill}
    all_settings = resolve_settings(settings, channel, choice or same_choice)
    open_settings = list_open_settings(all_settings, choice, psf_sha256)
    if "scale" in open_settings and "precision" in old_settings:  # the precision is chosen with the scale
        all_settings.setdefault("precision", old_settings["precision"])
    return close_settings(all_settings, choice, psf_sha256) | {
        name: _foresee(old_settings, name) for name in open_settings
    }


def _foresee(settings: Mapping[str, Any], name: str) -> Any:
    value = settings.get(name, "auto")
    return PER_CHANNEL if value == "auto" else value


def is_undecided(run: Run, channel: str, choice: Choice | None, psf_sha256: str | None) -> bool:
    """Tell whether something is to be chosen for a channel that may change its volumes."""
    if not choice and needs_choice(run.settings, channel):
        return True
    settings = resolve_settings(run.settings, channel, choice)
    return bool(list_open_settings(settings, choice, psf_sha256))
