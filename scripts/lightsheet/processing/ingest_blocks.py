"""What a job that ingests does: the volumes of a block of one channel, and its manifest. It starts without Dask."""

import os
from collections.abc import Sequence
from typing import Any

from lightsheet.processing.failures import raise_failures
from lightsheet.processing.ingest import ingest_volume
from lightsheet.sources import Facts, Region
from lightsheet.store import Results, StoreLayout, VolumeKey, make_manifest, read_record
from lightsheet.system import DiskError, InputError, Progress, logger


def ingest_block(
    results: Results,
    channel: str,
    tiles: Sequence[Any],
    layout: StoreLayout,
    threads: int,
    attempt: int = 1,
    facts: Facts | None = None,
    region: Region | None = None,
) -> dict[str, Any]:
    """Ingest a block of one channel; return the content of its manifest.

    A volume whose file is damaged is no failure of the job, or its block would keep all others from being deconvolved:
    its record says why it failed, and the job that should deconvolve it fails when it has done the others.

    Parameters
    ----------
    results, channel : Results, str
    tiles : sequence of (int, Tiles), each volume's timepoint and its tiles, as for `ingest_volume`
    layout : StoreLayout, of the raw store
    threads : int, chunks that are encoded at a time
    attempt : int, attempt of this job, from 1
    facts : Facts, optional, what the files must say of themselves
    region : Region, optional, the part of each volume that is selected

    Raises
    ------
    InputError
        Names each volume that could not be ingested, if another node may be able to read its files.
    """
    progress, keys, errors, may_pass = Progress(f"ingest {channel}", len(tiles)), [], [], False
    for timepoint, volume_tiles in tiles:
        keys.append(key := VolumeKey("raw", channel, timepoint))
        old = read_record(results, key)
        try:
            record = ingest_volume(results, key, volume_tiles, layout, threads, facts, region)
        except DiskError:  # which the other volumes would meet, too
            raise
        except InputError as error:
            errors.append(f"{key.label}: {error}")
            logger.error("%s", errors[-1])
            may_pass = may_pass or isinstance(error.__cause__, OSError)
            continue
        if old and record["finished"] == old["finished"]:
            progress.total -= 1
        else:
            progress.step(f"timepoint {timepoint} written")
    logger.info("%d of %d volumes were written", progress.done, len(tiles))
    if (
        may_pass and attempt == 1 and "SLURM_JOB_ID" in os.environ
    ):  # only a job of SLURM's can be tried again on another node
        raise_failures(errors, len(tiles), "ingested")
    return make_manifest(results, keys)
