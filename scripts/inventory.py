"""List what was understood of the folder: a table for a person now, and one row per file for programs."""

from pathlib import Path

from lightsheet.acquisition import Acquisition, describe_acquisition, write_inventory
from lightsheet.system import log_job, logger


def inventory(acquisition: Acquisition, volumes: str, path: Path) -> None:
    """Write the inventory of an acquisition, and log what was understood of it and what is remarkable."""
    logger.info("this was understood of the folder:\n%s", describe_acquisition(acquisition, volumes))
    write_inventory(acquisition, path)
    logger.info("%d volumes of %d channels listed in %s", len(acquisition.volumes), len(acquisition.channels), path)


if __name__ == "__main__":
    with log_job(snakemake.log[0]):
        inventory(snakemake.params.acquisition, snakemake.params.volumes, Path(snakemake.output[0]))
