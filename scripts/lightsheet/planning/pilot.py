"""The pilot: what iterations and methods make of one volume of each channel on the workers that a run would have."""

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from math import prod
from typing import Any

import psutil

from lightsheet.cluster import Needs, WorkerPool, WorkerRequest, fit_request, map_volumes, start_workers
from lightsheet.planning.directions import is_reversed, prepare_psfs
from lightsheet.planning.pilot_page import Pictures, list_doubts, write_pilot_page
from lightsheet.planning.pilot_plan import select_distinct
from lightsheet.planning.trials import Trials
from lightsheet.processing import (
    describe_shift,
    find_available_memory,
    foresee_doubts,
    plan_needs,
    read_choices,
    refuse_fill,
    resolve_settings,
    wait_for_choices,
)
from lightsheet.sources import describe_stack
from lightsheet.store import Results, StoreLayout
from lightsheet.system import InputError, digest_json, logger, write_json

PLAN_KEYS = ("dtype", "volume", "region", "voxel_size", "result_voxel_size")
"""What `pilot.json` has of the plan."""


def run_pilot(
    results: Results,
    plan: Mapping[str, Any],
    bases: Mapping[str, Any],
    layouts: Mapping[str, StoreLayout],
    workers: WorkerRequest,
    age: float,
) -> None:
    """Measure on Dask workers, and write `pilot.html` and `pilot.json`.

    `pilot.json` holds `cluster`, `cores` (that a worker uses in a volume), `host`, `slurm_job`; of what was deconvolved
    the `shape` (z, y, x), the `region` of the `volume`, `voxel_size` (micrometre), `dtype`, and `psf_shape`, the
    largest one's; the digest of the `plan`; `start_seconds` of the `job` and its `workers`; and per channel the
    `timepoint`, `ingest` and `methods`: of each its `settings`, the iterations `suggested`, the `reason`, and the
    numbers of its `runs`; with a suggestion, which only the other direction of a stage scan lacks, the iterations of
    `least_error` and of the `knee`, from which the residual hardly falls, and whether the error `falls_on` to the last.
    What makes a run suspect are its `doubts`.

    Parameters
    ----------
    results : Results, with the PSFs; nothing of it is touched but a scratch folder below `work`
    plan, layouts : mapping, what `plan_pilot` and `plan_layouts` returned
    bases : mapping, per channel what its choice must rest on, from `list_choice_basis`
    workers : WorkerRequest, as a job of the run would have them
    age : float, seconds, what `measure_job_age` returned when the job's own work began

    Raises
    ------
    InputError
        If something could not be measured.
    """
    fingerprint = digest_json(plan)
    plan = {**plan, "methods": _resolve_methods(results, plan, bases, workers)}
    psfs = [describe_stack(results.psf(channel, ".tif"))[0] for channel in plan["channels"]]
    shape = layouts["raw"].levels[0].shape
    # One volume at a time, for they would share the memory that is measured.
    needs = _find_largest_needs(plan["methods"], shape, psfs)._replace(most_volumes=1)
    workers = fit_request(workers, needs, plan["at_a_time"], plan["methods"][0]["engine"])
    channels, pictures, worker_seconds = _measure(results, plan, layouts, workers)
    for channel, channel_facts in channels.items():
        for doubt in list_doubts(channel_facts["methods"][0]):
            logger.warning("%s is suspect: %s", channel, doubt)
    run = next(iter(channels.values()))["methods"][0]["runs"][0]
    numbers = {
        "cluster": workers.kind,
        "cores": workers.cores,
        **{key: run[key] for key in ("host", "slurm_job")},
        "shape": list(shape),
        "psf_shape": list(max(psfs, key=prod)),
        **{key: plan[key] for key in PLAN_KEYS if key in plan},
        "start_seconds": {"job": round(age, 3), "workers": round(worker_seconds, 3)},
        "plan": fingerprint,
        "channels": channels,
    }
    write_pilot_page(results.pilot_page, results.name, numbers, pictures)
    write_json(results.pilot, numbers)


def _measure(
    results: Results, plan: Mapping[str, Any], layouts: Mapping[str, StoreLayout], workers: WorkerRequest
) -> tuple[dict[str, Any], Pictures, float]:
    """Return what is measured of each channel, the pictures, and the seconds until the workers had started."""
    first, *_ = plan["methods"]
    share = find_available_memory() // workers.number if workers.kind == "local" else None
    with make_scratch(results) as scratch:
        for method in (m for m in plan["methods"] if is_reversed(m, first)):
            prepare_psfs(plan["psf_images"], method["scan"], scratch)
        with _start_pool(workers, first["engine"]) as (pool, worker_seconds):
            trials = Trials(results, scratch, plan, layouts, pool.call, workers.cores, share)
            return *trials.measure(), worker_seconds


def _resolve_methods(
    results: Results, plan: Mapping[str, Any], bases: Mapping[str, Mapping[str, Any]], workers: WorkerRequest
) -> list[dict[str, Any]]:
    """Return the methods of a plan with the numbers and engines that they come to, each of them once.

    What was chosen only for the pilot is in its scratch folder.
    """
    place = results.pilot_scratch if results.pilot_scratch.channels.exists() else results
    methods = [{**method, "engine": workers.choose_engine(method["engine"])} for method in plan["methods"]]
    methods = [_resolve_choices(place, method, bases) for method in methods]
    _tell_doubts(read_choices(place), plan, methods[0])
    return select_distinct(methods)


def _tell_doubts(choices: Mapping[str, Any], plan: Mapping[str, Any], method: Mapping[str, Any]) -> None:
    """Log what is suspect of the pixels that were sampled."""
    for channel in (channel for channel in plan["channels"] if channel in choices):
        doubts = foresee_doubts(choices[channel], method)
        if "scan" not in plan:
            doubts = [*doubts, describe_shift(choices[channel].get("shift"), method.get("scan"), plan["voxel_size"])]
        for doubt in filter(None, doubts):
            logger.warning("%s is suspect: %s", channel, doubt)


def _resolve_choices(
    results: Results, method: Mapping[str, Any], bases: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return a method with the counts that a run would subtract from each channel, and its fill, None if it has none.

    Scale and precision are tried with the volume itself. InputError if the method takes fill for darkness.
    """
    choices = wait_for_choices(results, method, bases)
    settings = {channel: resolve_settings(method, channel, choices.get(channel)) for channel in bases}
    for channel in bases:
        refuse_fill(channel, choices.get(channel, {}).get("fill"), method["boundary"], method["engine"])
    per_channel = {key: {c: values.get(key) for c, values in settings.items()} for key in ("background", "fill")}
    return {**method, **per_channel}


def _find_largest_needs(
    methods: Sequence[Mapping[str, Any]], shape: Sequence[int], psfs: Sequence[Sequence[int]]
) -> Needs:
    """Return what a volume takes with the PSF and the method that need the most memory."""
    needs = (
        plan_needs(shape, psf, method["engine"], method["acceleration"], any(method["fill"].values()))
        for method in methods
        for psf in psfs
    )
    return max(needs, key=lambda volume: volume.count_bytes(1))


@contextmanager
def make_scratch(results: Results) -> Iterator[Results]:
    """Make a folder for volumes of the pilot, empty whatever a killed pilot left, and remove it at the end."""
    scratch = results.pilot_scratch
    shutil.rmtree(scratch.folder, ignore_errors=True)
    scratch.folder.mkdir(parents=True)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch.folder, ignore_errors=True)


@contextmanager
def _start_pool(workers: WorkerRequest, engine: str) -> Iterator[tuple["_SteadyPool", float]]:
    """Start workers, and wait for the first; yield them, and the seconds that this took."""
    start = time.monotonic()
    with start_workers(workers, engine, workers.memory) as worker_pool:
        pool = _SteadyPool(worker_pool, workers.number)
        while not pool.list_free([]):
            pool.maintain(1, [])
            time.sleep(0.05)
        yield pool, time.monotonic() - start


class _SteadyPool:
    """A pool that keeps all its workers while a pilot is between one kind of work and the next."""

    def __init__(self, pool: WorkerPool, number: int) -> None:
        self._pool, self._number, self.client, self.news = pool, number, pool.client, pool.news
        self.list_connected, self.list_free = pool.list_connected, pool.list_free
        self.count_workers = pool.count_workers
        self.explain_loss, self.record_duration = pool.explain_loss, pool.record_duration

    def maintain(self, volumes: int, busy: Sequence[str]) -> None:
        """Have work for all workers."""
        self._pool.maintain(max(volumes, self._number), busy)

    def call(self, function: Callable[..., None], tasks: Mapping[str, Mapping[str, Any]], action: str) -> None:
        """Call a function on the workers, once for each of the keyword arguments by name."""
        errors = []
        for name, error in map_volumes(self, function, tasks, action):
            if error:
                errors.append(f"{name}: {error}")
                logger.error("%s", errors[-1], exc_info=None if isinstance(error, InputError) else error)
        if errors:
            raise InputError("the pilot could not measure everything:\n" + "\n".join(errors))


def measure_job_age() -> float:
    """Return the seconds since Snakemake's process of this SLURM job started; outside of those, since this one did."""
    job, processes = os.environ.get("SLURM_JOB_ID"), [psutil.Process()]
    for process in psutil.process_iter() if job else ():
        with suppress(psutil.Error):  # another user's, or gone
            if process.environ().get("SLURM_JOB_ID") == job and "--target-jobs" in process.cmdline():
                processes.append(process)
    start = min(process.create_time() for process in processes)
    if hasattr(time, "CLOCK_BOOTTIME"):  # Linux knows to a second when it booted, and to 10 ms what came since
        return time.clock_gettime(time.CLOCK_BOOTTIME) - (start - psutil.boot_time())
    return time.time() - start
