"""The pilot: what iterations and methods make of one volume of each channel, and what that takes, before a run.

All of it is measured on the Dask workers that a run would have, see `lightsheet.planning.measure`.
"""

import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from math import prod
from typing import Any

import psutil

from lightsheet.cluster import WorkerPool, WorkerRequest, map_volumes, start_workers
from lightsheet.planning.pilot_page import write_pilot_page
from lightsheet.planning.scratch import make_scratch
from lightsheet.planning.sweep import PilotPlan, find_pilot_shape, select_distinct
from lightsheet.planning.trials import Each, Trials
from lightsheet.processing import estimate_memory, find_available_memory
from lightsheet.sources import describe_stack
from lightsheet.store import Results, StoreLayout
from lightsheet.system import InputError, logger, write_json


def run_pilot(
    results: Results, plan: PilotPlan, layouts: Mapping[str, StoreLayout], workers: WorkerRequest, age: float
) -> dict[str, Any]:
    """Measure on Dask workers, and write `pilot.html` and `pilot.json`.

    Parameters
    ----------
    results : Results
        Of the run; its PSFs are there. Nothing of it is touched but a scratch folder below `work`.
    plan : mapping
        What `lightsheet.planning.sweep.plan_pilot` returned.
    layouts : mapping
        Of the run's `raw` and `result` volumes.
    workers : cluster.Workers
        As a job of the run would have them.
    age : float
        What `job_age` said when the job's own work began.

    Returns
    -------
    dict
        What `pilot.json` says: `cluster`, `cores` (that a worker uses in a volume), `host`, `slurm_job`; of what was
        deconvolved the `shape` (z, y, x), the `region` of the `volume`, `voxel_size` (micrometre), `dtype`, and
        `psf_shape`, the largest one's; `start_seconds` of the `job` and its `workers`; and per channel the `timepoint`,
        `ingest` and `methods`: of each its `settings`, the iterations `suggested`, or None, the `reason`, and `runs`,
        the numbers for each number of iterations.

    Raises
    ------
    InputError
        If something could not be measured.
    """
    workers = dataclasses.replace(workers, number=min(workers.number, plan["at_a_time"]))
    methods = select_distinct(
        [{**method, "engine": workers.choose_engine(method["engine"])} for method in plan["methods"]]
    )
    psf = max((describe_stack(results.psf(channel, ".tif"))[0] for channel in plan["channels"]), key=prod)
    shape = find_pilot_shape(plan)
    needed = max(estimate_memory(shape, psf, m["engine"], m["acceleration"]) for m in methods)
    share = find_available_memory() // workers.number if workers.kind == "local" else None
    with make_scratch(results) as place:
        asked = time.monotonic()
        with start_workers(workers, methods[0]["engine"], needed) as started:
            pool = _Kept(started, workers.number)
            _await_worker(pool)
            come = time.monotonic() - asked
            trials = Trials(results, place, {**plan, "methods": methods}, layouts, _on(pool), workers.cores, share)
            channels = trials.measure()
        pictures = trials.pictures(channels)
    found = {
        "cluster": workers.kind,
        "cores": workers.cores,
        **{key: _any_run(channels)[key] for key in ("host", "slurm_job")},
        "shape": list(shape),
        "dtype": plan["dtype"],
        "psf_shape": list(psf),
        "volume": plan["volume"],
        "region": plan["region"],
        "voxel_size": plan["voxel_size"],
        "start_seconds": {"job": round(age, 3), "workers": round(come, 3)},
        "channels": channels,
    }
    write_pilot_page(results.pilot_page, results.name, found, pictures)
    write_json(results.pilot, found)
    return found


class _Kept:
    """A pool that lets none of its workers go while a pilot is between one kind of work and the next."""

    def __init__(self, pool: WorkerPool, number: int) -> None:
        self._pool, self._number, self.client = pool, number, pool.client
        self.list_connected, self.list_free = pool.list_connected, pool.list_free
        self.explain_loss, self.record_duration = pool.explain_loss, pool.record_duration

    def maintain(self, volumes: int, busy: Sequence[str]) -> None:
        """Have work for all of them."""
        self._pool.maintain(max(volumes, self._number), busy)


def _await_worker(pool: WorkerPool) -> None:
    while not pool.list_free([]):
        pool.maintain(1, [])
        time.sleep(0.05)


def _on(pool: WorkerPool) -> Each:
    """Return what calls a function on the workers, and complains of what fails."""

    def each(function: Callable[..., None], tasks: Mapping[str, Mapping[str, Any]], what: str) -> None:
        errors = []
        for name, error in map_volumes(pool, function, tasks, what):
            if error:
                errors.append(f"{name}: {error}")
                logger.error("%s", errors[-1], exc_info=None if isinstance(error, InputError) else error)
        if errors:
            raise InputError("the pilot could not measure everything:\n" + "\n".join(errors))

    return each


def _any_run(channels: Mapping[str, Any]) -> dict[str, Any]:
    run: dict[str, Any] = next(iter(channels.values()))["methods"][0]["runs"][0]
    return run


def measure_job_age() -> float:
    """Return the seconds since Snakemake's process of this SLURM job started; outside of those, since this one did."""
    own = psutil.Process()
    job = os.environ.get("SLURM_JOB_ID")
    others = [process for process in psutil.process_iter() if job and _is_of_job(process, job)]
    return max(map(_age, [own, *others]))


def _is_of_job(process: psutil.Process, job: str) -> bool:
    """Tell whether a process is Snakemake that works on a SLURM job."""
    with suppress(psutil.Error):
        return process.environ().get("SLURM_JOB_ID") == job and "--target-jobs" in process.cmdline()
    return False


def _age(process: psutil.Process) -> float:
    if hasattr(time, "CLOCK_BOOTTIME"):  # Linux knows to a second when it booted, and to 10 ms what came since
        return time.clock_gettime(time.CLOCK_BOOTTIME) - (process.create_time() - psutil.boot_time())
    return time.time() - process.create_time()
