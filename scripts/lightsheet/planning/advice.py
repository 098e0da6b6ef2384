"""What of a plan does not fit, and what to change; and what the plan leaves out."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from lightsheet.cluster import Inquiry
from lightsheet.planning.place import Place
from lightsheet.planning.rates import compute_speedup
from lightsheet.planning.schedule import Schedule
from lightsheet.system import format_duration, format_size

VOLUMES_A_WORKER = 3
"""With fewer, a worker waits in the queue and starts for little."""


DISK_RATE = 20e9
"""Bytes a second that a cluster's file system may give to one run: a guess, on the generous side."""


def advise(plan: Mapping[str, Any], schedule: Schedule, inquiry: Inquiry | None) -> list[str]:
    """Say in sentences what a person should know about a plan; `inquiry` is what SLURM says, if it was asked."""
    return [
        *(_report_inquiry(inquiry) if inquiry else []),
        *schedule.rates.remarks,
        *_check_disk(plan),
        *_check_memory(plan, schedule.place),
        *_check_time_limits(plan, schedule),
        *_check_workers(plan, schedule, inquiry),
        *_check_disk_rate(plan),
    ]


def _report_inquiry(inquiry: Inquiry) -> Iterator[str]:
    for refusal in inquiry.refusals:
        yield f"The run will be refused: {refusal}."
    for sentence in (*inquiry.remarks, *inquiry.doubts):
        yield f"{sentence[0].upper()}{sentence[1:]}."


def _check_disk(plan: Mapping[str, Any]) -> Iterator[str]:
    stored, limit, free = plan["written_bytes"], plan["written_bytes_at_most"], plan["free_bytes"]
    if free is not None and stored > free:
        yield (
            f"The disk of {plan['folder']} has {format_size(free)} free, and {format_size(stored)} are to be "
            "written: make room, name another disk in output.folder, or write uint16 (output.dtype)."
        )
    elif free is not None and limit > free:
        yield (
            f"The disk of {plan['folder']} has {format_size(free)} free: {format_size(stored)} would fit, but the "
            f"run is refused, because without compression they would be {format_size(limit)}: make room, or name "
            "another disk in output.folder."
        )


def _check_memory(plan: Mapping[str, Any], place: Place) -> Iterator[str]:
    memory, demand = place.worker.memory, plan["worker_memory_bytes"]
    if memory and memory < demand:
        if place.cluster != "local":
            name, change = f"section {place.cluster} of jobqueue.yaml", "raise `memory` there, or set it to null"
        else:
            name, change = "this machine", "run it where there is more"
        yield (
            f"A worker needs {format_size(demand)}, but gets {format_size(memory)} ({name}): volumes are cut into "
            f"overlapping blocks, which takes longer than is said here; {change}."
        )
    if plan["gpu_memory_bytes"]:
        yield (
            f"A GPU needs {format_size(plan['gpu_memory_bytes'])} of its own memory; with less, volumes are cut into "
            "overlapping blocks, which takes longer than is said here."
        )


def _check_disk_rate(plan: Mapping[str, Any]) -> Iterator[str]:
    if plan["rate"] and plan["disk_bytes_a_second"] > DISK_RATE:
        workers = plan["workers_at_a_time"]
        fewer = max(1, int(workers * DISK_RATE / plan["disk_bytes_a_second"]))
        yield (
            f"{workers} workers would read and write {format_size(plan['disk_bytes_a_second'])} a second, more than "
            f"most file systems give: the disk would bound the rate, and about {fewer} (`dask_workers`) do as much."
        )


def _check_time_limits(plan: Mapping[str, Any], schedule: Schedule) -> Iterator[str]:
    section, volume_seconds = f"section {schedule.place.cluster} of jobqueue.yaml", schedule.latency_seconds
    for rule in plan["rules"]:
        name, seconds, limit = rule["rule"], rule["seconds"], rule["limit"]
        if limit is None:
            continue
        if name == "workers" and volume_seconds > limit:
            yield (
                f"A volume takes a worker {format_duration(volume_seconds)}, and its walltime is "
                f"{format_duration(limit)}: no volume can be finished. Raise `walltime` or `cores` in {section}, use "
                "GPUs, or lower deconvolution.iterations."
            )
        elif name == "workers" and volume_seconds > limit / VOLUMES_A_WORKER:
            yield (
                f"A worker's walltime of {format_duration(limit)} is enough for {limit // volume_seconds:.0f} "
                f"volume(s) of {format_duration(volume_seconds)}: raise `walltime` in {section}, or workers are "
                "replaced all the time."
            )
        elif name not in ("workers", "deconvolve") and seconds > limit:  # a coordinator goes on in another job
            yield (
                f"A job of {name} takes {format_duration(seconds)}, and is ended after {format_duration(limit)}; what "
                "it has done is kept, but better raise its `runtime` in the profile, under `set-resources`."
            )


def _check_workers(plan: Mapping[str, Any], schedule: Schedule, inquiry: Inquiry | None) -> Iterator[str]:
    place, cores, measured_cores = schedule.place, schedule.place.worker.cores, schedule.rates.cores
    if cores != measured_cores and not schedule.rates.has_gpu:
        yield (
            f"Seconds were measured with {measured_cores} core(s), and a worker has {cores}: it is guessed to be "
            f"{compute_speedup(cores, measured_cores):.2g} times as fast; `snakemake pilot` with the same profile "
            "measures it."
        )
    has_worker_jobs = place.cluster != "local"
    if place.slurm_jobs or has_worker_jobs:
        yield "How long jobs wait in SLURM's queue is not known, and not in these times."
    sizes = schedule.block_sizes
    if not has_worker_jobs or not sizes:
        return
    if len(sizes) > 1 and max(sizes) < VOLUMES_A_WORKER * place.workers:
        yield (
            f"A block has {max(sizes)} volumes for up to {place.workers} workers, and the next one begins when it is "
            "done, with new workers: `timepoints_per_job: auto` would keep them for the whole run."
        )
    workers = plan["workers_at_a_time"]
    if inquiry and 0 < inquiry.workers < math.inf:
        yield (
            f"SLURM has room for {inquiry.workers:.0f} workers at a time while nobody else uses it; these times are "
            f"for {workers}, with {workers * cores} cores in all."
        )
    elif not inquiry or inquiry.workers:
        yield (
            f"Up to {workers} workers, with {workers * cores} cores in all, are asked for at a time; on a partition "
            "with fewer they wait for each other, and it takes so much longer."
        )
