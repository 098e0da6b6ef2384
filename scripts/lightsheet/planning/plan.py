"""What a run will take, before any pixel is computed: jobs, seconds, memory and bytes."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightsheet.cluster import Inquiry
from lightsheet.deconvolution import Method, gpu_memory
from lightsheet.planning.advice import advise
from lightsheet.planning.inquiry import inquire
from lightsheet.planning.pilot_rates import choose_rates
from lightsheet.planning.place import Share, describe_place
from lightsheet.planning.plan_text import format_plan
from lightsheet.planning.schedule import Schedule
from lightsheet.planning.workload import find_work
from lightsheet.processing import describe_rate, plan_needs
from lightsheet.run import KINDS, Run, has_fill
from lightsheet.system import read_free_bytes

METHOD_KEYS = ("boundary", "acceleration")
"""Of deconvolution, what decides how long an iteration takes, and its memory."""


def plan_run(
    run: Run, place: Mapping[str, Any], pilot: Mapping[str, Any] | None, disk: Path | None
) -> tuple[str, dict[str, Any]]:
    """Foresee jobs, time, memory and disk of what a run still has to do; return plan.txt and plan.json.

    Parameters
    ----------
    run : Run, all or some of which is still to do
    place : mapping, where jobs and workers would be: what `read_place`, `read_profile` or `describe_machine` returned
    pilot : mapping or None, what is in pilot.json; None: measurements that come with the program
    disk : Path or None, the folder of the results, if their disk must have room

    Raises
    ------
    InputError
        If jobqueue.yaml cannot be used.
    """
    work, site = find_work(run), describe_place(run, place)
    schedule, inquiry = Schedule(work, site, choose_rates(work, site, pilot)), None
    if disk and schedule.tasks:  # a run that is imagined asks no cluster
        schedule, inquiry = inquire(schedule, place)
    plan = make_plan(schedule, disk, inquiry)
    return format_plan(plan), plan


def make_plan(schedule: Schedule, disk: Path | None, inquiry: Inquiry | None = None) -> dict[str, Any]:
    """Return all that a plan says, in seconds and bytes; `inquiry` is what SLURM says, if it was asked."""
    work, place, rates, run = schedule.work, schedule.place, schedule.rates, schedule.work.run
    method = {key: work.method[key] for key in METHOD_KEYS}
    worker_memory, gpu_memory_bytes = _estimate_memory(schedule)
    rules = _list_rules(schedule, worker_memory)
    plan = {
        "run": run.results.name,
        "channels": len(run.channels),
        "timepoints": run.acquisition.timepoints,
        "shape": run.shape,
        "dtype": run.dtype,
        "tiff_bytes": work.tiff_bytes,
        "volumes": {"ingest": work.count_due("raw"), "deconvolve": work.count_due("result")},
        "method": {"engine": place.engine, **method},
        "iterations": rates.iterations,
        "psf_shape": rates.psf_shape,
        "measurements": rates.source,
        "slurm_jobs": place.slurm_jobs,
        "cores": place.cores,
        "cluster": place.cluster,
        "volumes_in_hand": place.slots,
        "rate": describe_rate(schedule.rate) if schedule.block_sizes else None,
        "disk_bytes_a_second": schedule.disk_rate,
        "workers_at_a_time": min(place.workers, max(schedule.block_sizes, default=0)),
        "rules": rules,
        "seconds": schedule.seconds,
        "stages": {rule: (min(spans)[0], max(end for _, end in spans)) for rule, spans in schedule.times.items()},
        **_describe_disk(schedule, disk),
        "worker_memory_bytes": worker_memory,
        "gpu_memory_bytes": gpu_memory_bytes,
    }
    return {**plan, "remarks": advise(plan, schedule, inquiry) if rules else []}


def _estimate_memory(schedule: Schedule) -> tuple[int, int | None]:
    """Return the bytes that a worker needs, and of a GPU's memory, None without one."""
    run, place, psf_shape = schedule.work.run, schedule.place, schedule.rates.psf_shape
    method = {key: schedule.work.method[key] for key in METHOD_KEYS}
    with_fill = has_fill(run)
    needs = plan_needs(run.shape, psf_shape, place.engine, method["acceleration"], with_fill)
    gpu_bytes = None
    if place.engine == "gpu":
        gpu_bytes = gpu_memory.estimate_memory(run.shape, psf_shape, Method(1, **method), with_fill)
    return needs.count_bytes(place.slots), gpu_bytes


def _list_rules(schedule: Schedule, worker_memory: int) -> list[dict[str, Any]]:
    """Sum up the jobs of each rule, and the workers (of `deconvolve`); none if there is nothing to do."""
    place, rules = schedule.place, []
    for name in dict.fromkeys(task.rule for task in schedule.tasks):
        jobs = [(1, task.seconds) for task in schedule.tasks if task.rule == name]
        volume_seconds = schedule.ingest_seconds if name == "ingest" else None
        rules.append(_sum_jobs(name, place.shares.get(name, Share()), jobs, volume_seconds))
    if sizes := schedule.block_sizes:
        memory = place.worker.memory if place.cluster != "local" else None
        share = place.worker._replace(memory=memory or worker_memory)
        workers = [(min(place.workers, volumes), schedule.estimate_workers_seconds(volumes)) for volumes in sizes]
        rules.append(_sum_jobs("workers", share, workers, schedule.volume_seconds, place.engine == "gpu"))
    return rules


def _sum_jobs(
    rule: str, share: Share, jobs: list[tuple[int, float]], volume_seconds: float | None, use_gpu: bool = False
) -> dict[str, Any]:
    """Sum up `jobs`, numbers of them and the seconds of each; `volume_seconds` where they take volumes one by one."""
    total = sum(number * seconds for number, seconds in jobs)
    return {
        "rule": rule,
        "jobs": sum(number for number, _ in jobs),
        **share._asdict(),
        "limit": share.limit if share.limit < math.inf else None,
        "seconds": max(seconds for _, seconds in jobs),
        "volume_seconds": volume_seconds,
        "core_seconds": share.cores * total,
        "gpu_seconds": total if use_gpu else 0.0,
    }


def _describe_disk(schedule: Schedule, disk: Path | None) -> dict[str, Any]:
    """Return the bytes that are read and written, and those that are free."""
    work, layouts = schedule.work, schedule.work.run.layouts
    stored = {kind: round(schedule.estimate_stored_bytes(kind) * work.count_due(kind)) for kind in KINDS}
    return {
        "read_bytes": _count_read_bytes(schedule),
        "written_bytes": sum(stored.values()),
        "written_bytes_of": stored,
        "written_bytes_at_most": sum(layouts[kind].count_volume_bytes() * work.count_due(kind) for kind in KINDS),
        "folder": str(disk) if disk else None,
        "free_bytes": read_free_bytes(disk) if disk else None,
    }


def _count_read_bytes(schedule: Schedule) -> int:
    """Count the bytes of files, of raw volumes to deconvolve if they are kept, and of every shard to prove it."""
    work = schedule.work
    sizes = [math.prod(level.shape) for level in work.run.layouts["raw"].levels]
    tiffs = work.tiff_bytes * work.count_due("raw") / work.volumes
    raw = sizes[0] / sum(sizes) * schedule.estimate_stored_bytes("raw") * work.count_due("result")
    if not work.run.keeps_raw:
        raw = work.tiff_bytes * work.count_due("result") / work.volumes
    return round(tiffs + raw + work.publish * schedule.published_bytes)
