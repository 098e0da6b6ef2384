"""What one job does: the volumes of a block whose records do not hold, and what its manifest says at the end.

A volume that cannot be done stops only itself: the others are done before the job fails, and a rerun does no
more than what is missing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lightsheet import cluster, deconvolution, files, ingestion, records, restoration
from lightsheet.errors import InputError
from lightsheet.log import Progress, logger
from lightsheet.results import Results
from lightsheet.store import Layout

Key = tuple[str, int]
"""Channel and timepoint."""

Manifest = dict[str, str]
"""Fingerprint by volume."""


def ingest(results: Results, channel: str, tiles: Sequence[Any], layout: Layout, threads: int) -> Manifest:
    """Ingest a block of one channel.

    Parameters
    ----------
    results : Results
        Where to.
    channel : str
        The block's channel.
    tiles : sequence of (int, list)
        Timepoint, and the tiles of its volume as `ingestion.ingest` wants them.
    layout : Layout
        Of the raw store.
    threads : int
        How many chunks are encoded at a time.

    Returns
    -------
    dict
        What the manifest shall say.

    Raises
    ------
    InputError
        Naming each file that could not be ingested.
    """
    progress, manifest, errors = Progress(f"ingest {channel}", len(tiles)), {}, []
    for timepoint, where in tiles:
        before = records.read(results.record("raw", channel, timepoint))
        try:
            record = ingestion.ingest(results, channel, timepoint, where, layout, threads)
        except InputError as error:
            errors.append(f"{channel} timepoint {timepoint}: {error}")
            logger.error("%s", errors[-1])
            continue
        progress.step(f"timepoint {timepoint} {'was there' if record == before else 'written'}")
        manifest[f"{channel}/{timepoint}"] = record["fingerprint"]
    _raise(errors, len(tiles), "ingested")
    return manifest


def deconvolve(
    results: Results,
    channels: Sequence[str],
    timepoints: Sequence[int],
    settings: Mapping[str, Any],
    layout: Layout,
    workers: tuple[str, int],
    threads: int,
) -> Manifest:
    """Deconvolve a block of all channels on Dask workers.

    Parameters
    ----------
    results : Results
        Where from and where to.
    channels, timepoints : sequence
        Which volumes.
    settings : mapping
        As `restoration.deconvolve` wants them, but `engine` may be auto, and `background` is per channel.
    layout : Layout
        Of the result.
    workers : (str, int)
        Kind and number of Dask workers, see `lightsheet.cluster`.
    threads : int
        Cores that the workers here share.

    Returns
    -------
    dict
        What the manifest shall say.

    Raises
    ------
    InputError
        Naming each volume that could not be deconvolved.
    """
    every = _tasks(results, channels, timepoints, settings, layout)
    todo = {
        (channel, t): task
        for (channel, t), task in every.items()
        if not records.holds(
            records.read(results.record("result", channel, t)), task["fingerprint"], results.work("result", channel), t
        )
    }
    logger.info("%d of %d volumes are to be deconvolved", len(todo), len(every))
    if todo:
        _run(todo, workers, threads)
    return {f"{channel}/{t}": task["fingerprint"] for (channel, t), task in every.items()}


def _tasks(
    results: Results,
    channels: Sequence[str],
    timepoints: Sequence[int],
    settings: Mapping[str, Any],
    layout: Layout,
) -> dict[Key, dict[str, Any]]:
    """Return the arguments of `restoration.deconvolve` for each volume."""
    engine = deconvolution.resolve(settings["engine"])
    tasks = {}
    for channel in channels:
        psf = files.read_json(results.psf(channel, ".json"))["sha256"]
        own = {**settings, "engine": engine, "background": settings["background"][channel]}
        for timepoint in timepoints:
            raw = records.read(results.record("raw", channel, timepoint))
            if not raw or raw["status"] != "done":
                raise InputError(f"{channel} timepoint {timepoint} is not ingested: run the same command again")
            tasks[channel, timepoint] = {
                "results": results,
                "channel": channel,
                "timepoint": timepoint,
                "psf": results.psf(channel, ".tif"),
                "settings": own,
                "layout": layout,
                "fingerprint": restoration.fingerprint_of(raw, psf, own, layout),
            }
    return tasks


def _run(todo: Mapping[Key, Mapping[str, Any]], workers: tuple[str, int], threads: int) -> None:
    kind, number = workers[0], min(workers[1], len(todo))
    progress, errors = Progress("deconvolve", len(todo)), []
    with cluster.start(kind, number) as client:
        share = {key: {**task, "threads": max(1, threads // number)} for key, task in todo.items()}
        for (channel, timepoint), outcome in cluster.each(client, restoration.deconvolve, share):
            if isinstance(outcome, BaseException):
                errors.append(f"{channel} timepoint {timepoint}: {outcome}")
                logger.error("%s", errors[-1], exc_info=None if isinstance(outcome, InputError) else outcome)
                place = todo[channel, timepoint]["results"].record("result", channel, timepoint)
                records.write(place, records.failed(str(outcome)))
            else:
                progress.step(f"{channel} timepoint {timepoint}")
    _raise(errors, len(todo), "deconvolved")


def _raise(errors: Sequence[str], total: int, done: str) -> None:
    if errors:
        raise InputError(f"{len(errors)} of {total} volumes could not be {done}, the others are:\n" + "\n".join(errors))
