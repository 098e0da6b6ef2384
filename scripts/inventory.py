"""List what was understood of the folder: one row per file, and what is odd about it."""

from pathlib import Path

from lightsheet import acquisition, log


def inventory(folder: str, pattern: str, ignore: list[str], path: Path) -> None:
    """Write the inventory of a folder, and log what was left out and what is remarkable."""
    found = acquisition.discover(folder, pattern, ignore)
    for name, why in found.left_out:
        log.logger.info("left out %s: %s", name, why)
    for remark in found.remarks:
        log.logger.warning("%s", remark)
    acquisition.write_inventory(found, path)
    log.logger.info("%d volumes of %d channels listed in %s", len(found.volumes), len(found.channels), path)


if __name__ == "__main__":
    with log.job(snakemake.log[0]):
        inventory(**snakemake.params.config, path=Path(snakemake.output[0]))
