"""List what was understood of the folder: a table for a person now, and one row per file for programs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightsheet.acquisition import Acquisition, describe_acquisition, write_inventory
from lightsheet.processing import describe_choice, describe_shift, foresee_doubts, read_choices
from lightsheet.store import Results
from lightsheet.system import log_job, logger


def inventory(acquisition: Acquisition, volumes: str, path: Path, share: str = "") -> None:
    """Write the inventory of an acquisition, and log what was understood of it and what is remarkable."""
    logger.info("this was understood of the folder:\n%s", describe_acquisition(acquisition, volumes, share))
    write_inventory(acquisition, path)
    logger.info("%d volumes of %d channels listed in %s", len(acquisition.volumes), len(acquisition.channels), path)


def tell_choices(results: Results, channels: Sequence[str], output: Mapping[str, Any], scan: Mapping[str, Any]) -> None:
    """Log what was found in a sample of each channel's pixels before the run's first job, and what is suspect.

    `scan` says how the images were scanned: the arguments of `describe_shift`, nothing if the user says straight.
    """
    choices = {channel: choice for channel, choice in read_choices(results).items() if channel in channels}
    for channel, choice in choices.items():
        for line in describe_choice(channel, choice):
            logger.info(line)
        for doubt in foresee_doubts(choice, output):
            logger.warning("%s is suspect: %s", channel, doubt)
        if doubt := scan and describe_shift(choice.get("shift"), **scan):
            logger.warning("%s is suspect: %s", channel, doubt)


if __name__ == "__main__":
    with log_job(snakemake.log[0]):
        parameters = snakemake.params
        inventory(parameters.acquisition, parameters.volumes, Path(snakemake.output[0]), parameters.share)
        tell_choices(parameters.results, parameters.channels, parameters.output, parameters.scan)
