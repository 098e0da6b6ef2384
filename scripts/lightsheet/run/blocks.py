"""How the timepoints of a run are cut into jobs, and which sizes of blocks a run writes down for those after it."""

import math
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from lightsheet.system import InputError, logger, read_json, write_json

INGEST_BYTES = 4 * 10**9
"""Raw bytes of one ingest job: a process reads them in 8 to 40 s (500 to 100 MB/s), and a job takes 4 s to start."""

INGEST_VOLUMES = 1000
"""The most volumes of an ingest job: tiny ones take 20 ms, and Snakemake keeps the names of all files of a job."""

INGEST_JOBS = 1000
"""The most ingest jobs of a run when it begins; each costs Snakemake 2 ms whenever it plans."""

ALL = "all"


class BlockSizes(NamedTuple):
    """Timepoints of an ingest job, which does one channel, and of a deconvolve job, which does all; None: no limit."""

    ingest: int
    deconvolve: int | None


def choose_sizes(volume_bytes: int, channels: int, timepoints: int) -> BlockSizes:
    """Choose the sizes of a run's blocks, where the configuration leaves it to us.

    Deconvolve has one: its coordinator waits in the queue once, and its workers stay from the first volume to the last.
    """
    size = min(INGEST_BYTES // volume_bytes, INGEST_VOLUMES)
    return BlockSizes(max(size, math.ceil(channels * timepoints / INGEST_JOBS)), None)


def cut_timepoints(timepoints: int, size: int | None) -> dict[str, range]:
    """Return the timepoints of each block, by the block's name."""
    size = size or timepoints
    return {name_block(start): range(start, min(start + size, timepoints)) for start in range(0, timepoints, size)}


def find_block(timepoint: int, size: int | None) -> str:
    """Return the name of a timepoint's block."""
    return name_block(timepoint // size * size if size else 0)


def find_blocks(first: int, last: int, size: int) -> list[str]:
    """Return the names of the blocks of timepoints from the first to the last."""
    return [name_block(start) for start in range(first // size * size, last + 1, size)]


def name_block(start: int) -> str:
    """Return the name of the block whose first timepoint is `start`."""
    return f"t{start:04d}"


def read_sizes(path: Path, *, in_job: bool) -> BlockSizes | None:
    """Read the sizes that were written down; None if there are none, or they are damaged: then they are chosen anew.

    Not so in a job, which must see those of its run: InputError if they are damaged.
    """
    sizes = _parse_sizes(read_json(path))
    if in_job and not sizes and path.exists():
        raise InputError(f"{path}, which says into which jobs this run is cut, is damaged: run the same command again")
    return sizes


def write_sizes(path: Path, sizes: BlockSizes) -> None:
    """Write sizes down for the jobs of this run, and for later runs; what is there already is left alone."""
    if _parse_sizes(read_json(path)) == sizes:
        return
    if path.exists():
        logger.warning("%s is damaged, or of another run: it is written anew, and no volume is done again", path)
    write_json(path, {"ingest": sizes.ingest, "deconvolve": sizes.deconvolve or ALL})


def _parse_sizes(content: Any) -> BlockSizes | None:
    """Return the sizes that a file holds; None if they make no sense."""
    if not isinstance(content, dict):
        return None
    ingest, deconvolve = content.get("ingest"), content.get("deconvolve")
    if not _is_size(ingest) or not (deconvolve == ALL or _is_size(deconvolve)):
        return None
    return BlockSizes(ingest, None if deconvolve == ALL else deconvolve)


def _is_size(value: Any) -> TypeGuard[int]:
    return type(value) is int and value > 0  # to Python, true is an int as well
