"""What a job that deconvolves does: the volumes of a block whose records do not hold, and its manifest at the end.

A volume that cannot be done stops only itself: the others are done before the job fails, and a rerun does no
more than what is missing.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from lightsheet.cluster import FINAL, VolumeCount, WorkerRequest, find_walltime, map_volumes
from lightsheet.deconvolution import end_with_gpu
from lightsheet.processing.admission import admit_volume
from lightsheet.processing.block_status import tell_status
from lightsheet.processing.channels import Basis, Choice, resolve_settings, wait_for_choices
from lightsheet.processing.failures import raise_failures
from lightsheet.processing.fingerprint import list_result_inputs, write_region
from lightsheet.processing.source import Source, describes_source, make_hole_record
from lightsheet.processing.team import Team, offer_team
from lightsheet.processing.trial_choices import choose_by_trial, close_settings, find_noise, list_open_settings
from lightsheet.processing.units import judge_psf
from lightsheet.processing.worker_share import describe_rate, measure_rate, share_worker
from lightsheet.store import (
    Record,
    Results,
    StoreLayout,
    VolumeKey,
    is_done,
    make_failure,
    make_manifest,
    read_record,
    write_hole,
)
from lightsheet.system import (
    InputError,
    logger,
    read_json,
    wait_until_visible,
    write_json,
)

RATED_VOLUMES = 200
"""Volumes of a block, whose records tell at its end what bounded the rate."""


def deconvolve_block(
    results: Results,
    channels: Sequence[str],
    timepoints: Sequence[int],
    settings: Mapping[str, Any],
    bases: Mapping[str, Basis],
    layout: StoreLayout,
    workers: WorkerRequest,
    attempt: int = 1,
    sources: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Deconvolve a block, all timepoints of all channels, on Dask workers; return the content of its manifest.

    Parameters
    ----------
    results : Results, with the raw volumes if these are kept
    channels, timepoints : sequence of str, sequence of int
    settings : mapping, as for `deconvolve_volume`, but `engine` may be auto, and `background` is per channel or auto
    bases : mapping, per channel what its choice must rest on, from `list_choice_basis`
    layout : StoreLayout, of the result
    workers : WorkerRequest, where the workers run and how many there are
    attempt : int, attempt of this job, from 1; volumes that failed in attempt 1 are not retried
    sources : mapping, optional, where no raw volumes are kept: the fields of `Source`, but `tiles` holds per channel
        each timepoint and its tiles

    Raises
    ------
    InputError
        Names each volume that could not be deconvolved.
    OutOfTimeError
        If this job's walltime is near, and volumes are left.
    """
    settings = {**settings, "engine": workers.choose_engine(settings["engine"])}
    shape: Sequence[int] = next((basis["shape"] for basis in bases.values()), ())
    raw_sources = _list_sources(sources) if sources else {}
    raw_records = _read_raw_records(results, channels, timepoints, raw_sources)
    choices = wait_for_choices(results, settings, bases)
    volumes = len(raw_records)
    errors = [f"{key.label}: {raw['error']}" for key, raw in raw_records.items() if raw["status"] == "failed"]
    raw_records = {key: raw for key, raw in raw_records.items() if raw["status"] == "done"}
    psfs = {key.channel: read_json(results.psf(key.channel, ".json"))["sha256"] for key in raw_records}
    channel_settings = {channel: resolve_settings(settings, channel, choices.get(channel)) for channel in psfs}
    with offer_team(results, channel_settings, shape, workers) as hire:
        choices = _choose_what_is_open(results, channel_settings, psfs, choices, partial(hire, len(raw_records)))
        closed = {c: close_settings(channel_settings[c], choices.get(c), psfs[c]) for c in psfs}
        tasks = _plan_tasks(results, raw_records, closed, psfs, layout, shape, choices)
        for key in tasks if raw_sources else ():
            tasks[key]["source"] = raw_sources[key.raw]
        todo, failures = _select_due(results, tasks, layout, attempt)
        errors += failures
        logger.info("%d of %d volumes are to be deconvolved", len(todo), volumes)
        if todo:
            _tell_doubts(results, sorted({key.channel for key in todo}), shape)
            team, done = hire(len(todo)), volumes - len(todo) - len(errors)
            with tell_status(results, workers.block, volumes, done, len(errors)) as tell:
                errors += _deconvolve_volumes(todo, team, tell)
    raise_failures(errors, volumes, "deconvolved", FINAL)  # each had its tries, on several workers
    return make_manifest(results, [*tasks, *raw_sources])


def _choose_what_is_open(
    results: Results,
    settings: Mapping[str, Mapping[str, Any]],
    psfs: Mapping[str, str],
    choices: dict[str, Choice],
    hire: Callable[[], Team],
) -> dict[str, Choice]:
    """Return the choices of all channels; workers are hired where settings must be tried first."""
    if not any(list_open_settings(settings[channel], choices.get(channel), psfs[channel]) for channel in psfs):
        return choices
    return choose_by_trial(results, settings, psfs, partial(_try_on_team, hire()))


def _select_due(
    results: Results, tasks: Mapping[VolumeKey, dict[str, Any]], layout: StoreLayout, attempt: int
) -> tuple[dict[VolumeKey, dict[str, Any]], list[str]]:
    """Return the tasks of volumes that are not done, and what failed in an earlier attempt; holes are written here."""
    todo, errors = {}, []
    for key, task in tasks.items():
        record = read_record(results, key)
        has_failed = record and record["status"] == "failed"
        missing = task.pop("missing")
        if is_done(record, task["inputs"], results, key):
            continue
        if missing:
            write_json(results.record(key), write_hole(results, key, layout, task["inputs"], "write"))
        elif record and has_failed and attempt > 1:
            errors.append(f"{key.label}: {record['error']}")
        else:
            todo[key] = task
            if has_failed:
                results.record(key).unlink()  # the failure was of an earlier run
    return todo, errors


def _plan_tasks(
    results: Results,
    raw_records: Mapping[VolumeKey, Record],
    settings: Mapping[str, Mapping[str, Any]],
    psfs: Mapping[str, str],
    layout: StoreLayout,
    shape: Sequence[int],
    choices: Mapping[str, Choice],
) -> dict[VolumeKey, dict[str, Any]]:
    """Return the arguments of `deconvolve_volume` for each volume, and whether it is `missing`."""
    tasks = {}
    for raw_key, raw in raw_records.items():
        key, channel = raw_key._replace(kind="result"), raw_key.channel
        tasks[key] = {
            "results": results,
            "key": key,
            "psf": results.psf(channel, ".tif"),
            "settings": settings[channel],
            "layout": layout,
            "shape": shape,
            "sampled": choices[channel]["timepoints"] if channel in choices else (),
            "noise": find_noise(settings[channel], choices.get(channel), psfs[channel]),
            "missing": raw.get("missing", False),
            "inputs": list_result_inputs(raw, psfs[channel], settings[channel], layout),
        }
    return tasks


def _tell_doubts(results: Results, channels: Sequence[str], shape: Sequence[int]) -> None:
    """Log which PSFs cannot be those of the volumes, before hours are spent."""
    for channel in channels:
        facts = read_json(results.psf(channel, ".json"))
        voxel_size = facts.get("inputs", {}).get("settings", {}).get("voxel_size")
        for doubt in judge_psf(facts, shape, voxel_size) if voxel_size else ():
            logger.warning("%s is suspect: %s", channel, doubt.text)


def _list_sources(sources: Mapping[str, Any]) -> dict[VolumeKey, Source]:
    """Return where each raw volume is to be read."""
    common = {name: value for name, value in sources.items() if name != "tiles"}
    return {
        VolumeKey("raw", channel, timepoint): Source(tiles, **common)
        for channel, volumes in sources["tiles"].items()
        for timepoint, tiles in volumes
    }


def _describe_raw(results: Results, key: VolumeKey, source: Source) -> Record:
    """Return the record of a raw volume that is not kept, if its files are as they were; else one of no digest."""
    record = read_record(results, key)
    if not source.tiles:
        hole = make_hole_record(source)
        if not record or record.get("fingerprint") != hole["fingerprint"]:
            write_json(results.record(key), hole)
        return hole
    if record and describes_source(record, source):
        return record
    return {"status": "done", "source": "", "ingest": "", **write_region(source.region)}


def _read_raw_records(
    results: Results, channels: Sequence[str], timepoints: Sequence[int], sources: Mapping[VolumeKey, Source]
) -> dict[VolumeKey, Record]:
    """Read the raw volumes' records; other nodes may just have written them and what is known of the PSFs.

    Where raw volumes are not kept, workers read the `sources` and write their records.
    """
    keys = [VolumeKey("raw", channel, timepoint) for channel in channels for timepoint in timepoints]
    raw_records: dict[VolumeKey, Record] = {}

    def list_missing() -> list[str]:
        records = {key: read_record(results, key) for key in keys if not sources}
        raw_records.update((key, record) for key, record in records.items() if record)
        volumes = [key.label for key in keys if key not in raw_records and not sources]
        return volumes + [f"the PSF of {c}" for c in channels if not read_json(results.psf(c, ".json"))]

    folders = {results.record(key).parent for key in keys} | {results.psf(c, ".json").parent for c in channels}
    if missing := wait_until_visible(list_missing, *folders):
        raise InputError(f"{missing[0]} is not ingested: run the same command again")
    return {key: _describe_raw(results, key, source) for key, source in sources.items()} or raw_records


def _try_on_team(team: Team, name: str, tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Try a setting on sampled timepoints; return errors by the task's name."""
    tasks = {label: {**task, "name": name, "threads": team.threads} for label, task in tasks.items()}
    outcomes = map_volumes(team.pool, _try, tasks, f"{name}: auto", find_walltime())
    return {label: str(error) for label, error in outcomes if error}


def _deconvolve_volumes(
    todo: Mapping[VolumeKey, Mapping[str, Any]], team: Team, tell: Callable[[VolumeCount], None]
) -> list[str]:
    """Deconvolve volumes; return a sentence for each that could not be, and write its record."""
    keys = {key.label: key for key in todo}
    share = {"cores": team.cores, "threads": team.threads, "memory": team.memory}
    tasks = {key.label: {**task, **share} for key, task in todo.items()}
    errors = []
    for label, error in map_volumes(team.pool, _deconvolve, tasks, "deconvolve", find_walltime(), tell):
        if error:
            errors.append(f"{label}: {error}")
            logger.error("%s", errors[-1], exc_info=None if isinstance(error, InputError) else error)
            write_json(tasks[label]["results"].record(keys[label]), make_failure(str(error)))
    _tell_rate(todo)
    return errors


def _tell_rate(tasks: Mapping[VolumeKey, Mapping[str, Any]]) -> None:
    """Log what bounded the rate of volumes, as the records of some of them say."""
    step = -(-len(tasks) // RATED_VOLUMES)
    rate = measure_rate(read_record(task["results"], key) for key, task in list(tasks.items())[::step])
    if rate:
        logger.info("%s", describe_rate(rate))


def _try(name: str, **task: Any) -> None:
    """Try a setting, on a worker; as `_deconvolve`."""
    from lightsheet.processing.brightest_part import try_setting

    try_setting(name, **task)


def _deconvolve(cores: int, **task: Any) -> None:
    """Deconvolve a volume, on a worker: it imports what the coordinator, which only sends the name, does not need."""
    from lightsheet.processing.deconvolve import deconvolve_volume

    place = task["shape"], task["psf"], task["settings"], task["memory"]
    with end_with_gpu(task["settings"]["engine"]), admit_volume(*place), share_worker(cores):
        deconvolve_volume(**task)
