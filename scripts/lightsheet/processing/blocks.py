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
from lightsheet.processing.block_tasks import plan_tasks, select_due_tasks
from lightsheet.processing.channel_choices import Basis, Choice, resolve_settings, wait_for_choices
from lightsheet.processing.failures import raise_failures
from lightsheet.processing.raw_records import list_raw_sources, read_raw_records
from lightsheet.processing.team import Team, offer_team
from lightsheet.processing.trial_choices import choose_by_trial, close_settings, list_open_settings
from lightsheet.processing.units import judge_psf
from lightsheet.processing.worker_share import describe_rate, measure_rate, share_worker
from lightsheet.store import Results, StoreLayout, VolumeKey, make_failure, make_manifest, read_record
from lightsheet.system import InputError, logger, read_json, write_json

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
    raw_sources = list_raw_sources(sources) if sources else {}
    raw_records = read_raw_records(results, channels, timepoints, raw_sources)
    choices = wait_for_choices(results, settings, bases)
    volumes = len(raw_records)
    errors = [f"{key.label}: {raw['error']}" for key, raw in raw_records.items() if raw["status"] == "failed"]
    raw_records = {key: raw for key, raw in raw_records.items() if raw["status"] == "done"}
    psfs = {key.channel: read_json(results.psf(key.channel, ".json"))["sha256"] for key in raw_records}
    channel_settings = {channel: resolve_settings(settings, channel, choices.get(channel)) for channel in psfs}
    with offer_team(results, channel_settings, shape, workers) as hire:
        choices = _choose_open_settings(results, channel_settings, psfs, choices, partial(hire, len(raw_records)))
        final_settings = {c: close_settings(channel_settings[c], choices.get(c), psfs[c]) for c in psfs}
        tasks = plan_tasks(results, raw_records, final_settings, psfs, layout, shape, choices)
        for key in tasks if raw_sources else ():
            tasks[key]["source"] = raw_sources[key.raw]
        todo, failures = select_due_tasks(results, tasks, layout, attempt)
        errors += failures
        logger.info("%d of %d volumes are to be deconvolved", len(todo), volumes)
        if todo:
            _tell_doubts(results, sorted({key.channel for key in todo}), shape)
            team = hire(len(todo))
            with tell_status(results, workers.block, volumes, volumes - len(todo) - len(errors), len(errors)) as tell:
                errors += _deconvolve_volumes(todo, team, tell)
    raise_failures(errors, volumes, "deconvolved", FINAL)  # each had its tries, on several workers
    return make_manifest(results, [*tasks, *raw_sources])


def _choose_open_settings(
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


def _tell_doubts(results: Results, channels: Sequence[str], shape: Sequence[int]) -> None:
    """Log which PSFs cannot be those of the volumes, before hours are spent."""
    for channel in channels:
        facts = read_json(results.psf(channel, ".json"))
        voxel_size = facts.get("inputs", {}).get("settings", {}).get("voxel_size")
        for doubt in judge_psf(facts, shape, voxel_size) if voxel_size else ():
            logger.warning("%s is suspect: %s", channel, doubt.text)


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
