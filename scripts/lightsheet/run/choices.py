"""What is chosen from the pixels of each channel, and holds for the whole movie: what is known of it, and its choice.

The sources are read before the first job, in Snakemake's own process: a rule on which all others depend would make them
run again whenever it does. Parsing, and `snakemake -n`, read no pixels.
"""

from typing import Any

from lightsheet.processing import (
    Choice,
    choose_for_channels,
    find_choice,
    needs_choice,
    read_choices,
    refuse_hopeless,
    resolve_settings,
)
from lightsheet.run.run import Run
from lightsheet.store import Record

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
    timepoints = range(run.acquisition.timepoints)
    choose_for_channels(run.results, run.choice_bases, lambda channel: run.list_tiles(channel, timepoints))


def refuse_hopeless_channels(run: Run) -> None:
    """Refuse to work for a result that would certainly be worth nothing; a sentence says what to set right."""
    choices = find_choices(run)
    for channel, choice in choices.items():
        if choice:
            refuse_hopeless(channel, choice, run.config["output"])


def foresee_settings(run: Run, channel: str, record: Record, choice: Choice | None) -> dict[str, Any]:
    """Return the settings of a channel's volumes; what is to be chosen is taken to come out as a record has it."""
    settings = run.settings
    if choice or not needs_choice(settings, channel):
        return resolve_settings(settings, channel, choice)
    background = record.get("settings", {}).get("background")
    return {**settings, "background": PER_CHANNEL if background == "auto" else background}
