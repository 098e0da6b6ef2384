"""What a run will take, before any pixel is computed: jobs, seconds, memory, bytes and files.

The seconds are those that volumes of this kind took (`measurements`), put into the order in which jobs can run
(`timetable`) where they would run (`site`), for what is still to be done (`workload`).
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lightsheet import deconvolution, jobqueue, restoration
from lightsheet.deconvolution import gpu
from lightsheet.forecast import timetable, workload
from lightsheet.forecast.measurements import INGEST_THREADS, Rates, speed
from lightsheet.forecast.site import HERE, Place
from lightsheet.forecast.timetable import Task
from lightsheet.forecast.workload import Work
from lightsheet.method import Method
from lightsheet.run import KINDS

HEAD_SECONDS = {"start": 1.8, "end": 1.8}
"""Of Snakemake's own process: to read the Snakefile, and to leave; at the pace of `measurements.JOB_SECONDS`."""

JOB_SECONDS = {"inventory": 0.5, "psf": 2.8, "ingest": 2.1, "deconvolve": 3.4, "consolidate": 2.2, "report": 1.5}
"""Of a job besides its volumes and its workers, imports above all; at the same pace."""

VOLUME_SECONDS = {"consolidate": 0.005, "report": 0.01}
"""Of these jobs for each volume of the run: its records, its row and its links."""

SLURM_SECONDS = 20.0
"""Until a job of SLURM has begun, and Snakemake sees its end: it asks after 10 s, and every 30 s at the latest."""


class Rule(NamedTuple):
    """The jobs of one rule, or the workers (of `deconvolve`).

    `jobs` of them, each with `cores`, `memory` bytes and `seconds` (the longest), `partition`, the partition's or job's
    `limit` in seconds if there is one; `core_seconds` and `gpu_seconds` of all together; `volume_seconds` where it
    takes volumes one by one.
    """

    rule: str
    jobs: int
    cores: int
    memory: int
    seconds: float
    volume_seconds: float | None
    core_seconds: float
    gpu_seconds: float
    partition: str
    limit: float | None


class Forecast(NamedTuple):
    """What is foreseen: the rules' jobs, seconds from the command to its end, bytes read and written, and inodes.

    `most` is how many bytes may be written at most, if nothing can be compressed; `gpu_memory` what a worker needs on
    its device; `stages` in which second each rule's first job starts and its last one ends.
    """

    work: Work
    place: Place
    rates: Rates
    rules: tuple[Rule, ...]
    stages: dict[str, tuple[float, float]]
    workers_at_a_time: int
    seconds: float
    read: int
    written: dict[str, int]
    most: int
    files: int
    folders: int
    worker_memory: int
    gpu_memory: int | None

    @property
    def each(self) -> float:
        """Seconds from one volume of a worker to its next."""
        return _each(self.work, self.place, self.rates)

    @property
    def is_idle(self) -> bool:
        """Tell whether there is nothing to do."""
        return not self.rules


def forecast(work: Work, place: Place, rates: Rates) -> Forecast:
    """Work out what a run will take.

    Parameters
    ----------
    work : Work
        What is still to be done.
    place : Place
        Where.
    rates : Rates
        How long what takes.

    Returns
    -------
    Forecast
        Waiting in SLURM's queue, and other people's load, are not in it.
    """
    tasks = _tasks(work, place, rates)
    times = timetable.simulate(tasks, place.slurm_jobs or place.cores)
    by_rule = {rule: [times[task.name] for task in tasks if task.rule == rule] for rule in JOB_SECONDS}
    stages = {rule: (min(s for s, _ in of), max(e for _, e in of)) for rule, of in by_rule.items() if of}
    written = {kind: round(_stored(work, rates, kind) * work.todo(kind)) for kind in KINDS}
    worker = restoration.memory_bytes(work.shape, rates.psf_shape, place.engine, work.method["acceleration"])
    files, folders = workload.entries(work)
    pace = rates.pace
    return Forecast(
        work=work,
        place=place,
        rates=rates,
        rules=_rules(work, place, rates, tasks),
        stages=stages,
        workers_at_a_time=min(place.workers, _largest(work)) * timetable.most_at_a_time(by_rule["deconvolve"]),
        seconds=max((end for _, end in times.values()), default=0.0) + pace * sum(HEAD_SECONDS.values()),
        read=_read(work, rates) if tasks else 0,
        written=written,
        most=sum(work.layouts[kind].volume_bytes() * work.todo(kind) for kind in KINDS),
        files=files,
        folders=folders,
        worker_memory=worker,
        gpu_memory=_gpu_memory(work, place, rates),
    )


def _largest(work: Work) -> int:
    """Count the volumes of the largest block."""
    return max((block.deconvolve or 0 for block in work.blocks), default=0)


def _stored(work: Work, rates: Rates, kind: str) -> float:
    """Return the bytes of a volume on the disk, its pyramid included."""
    return work.layouts[kind].volume_bytes() * rates.stored[kind]


def _read(work: Work, rates: Rates) -> int:
    """Return the bytes that jobs read: TIFFs, raw volumes to deconvolve them, and every shard to prove it."""
    levels = {kind: work.layouts[kind].levels for kind in KINDS}
    full = math.prod(levels["raw"][0].shape) / sum(math.prod(level.shape) for level in levels["raw"])
    tiffs = work.tiff_bytes * work.todo("raw") / work.volumes
    raw = full * _stored(work, rates, "raw") * work.todo("result")
    return round(tiffs + raw + work.publish * _all_stored(work, rates))


def _all_stored(work: Work, rates: Rates) -> float:
    return sum(_stored(work, rates, kind) * work.volumes for kind in KINDS)


def _gpu_memory(work: Work, place: Place, rates: Rates) -> int | None:
    """Return the bytes that a worker needs on its device."""
    if place.engine != "gpu":
        return None
    method = Method(1, work.method["boundary"], acceleration=work.method["acceleration"])
    return gpu.memory_bytes(work.shape, rates.psf_shape, method)


def _tasks(work: Work, place: Place, rates: Rates) -> list[Task]:
    """List the jobs that are to run, and what each waits for."""
    away = dict.fromkeys(place.threads, SLURM_SECONDS) if place.slurm_jobs else {}
    extra = {rule: rates.pace * seconds + away.get(rule, 0.0) for rule, seconds in JOB_SECONDS.items()}
    slots = {rule: 1 if place.slurm_jobs else n for rule, n in place.threads.items()}
    tasks = [Task("inventory", "inventory", extra["inventory"])] if work.inventory else []
    psfs = [Task(f"psf {number}", "psf", extra["psf"]) for number in range(work.psfs)]
    tasks += psfs
    each = _ingest_seconds(work, place, rates)
    for number, block in enumerate(work.blocks):
        ingests = [
            Task(f"ingest {number} {channel}", "ingest", extra["ingest"] + volumes * each, slots["ingest"])
            for channel, volumes in zip(work.channels, block.ingest, strict=True)
            if volumes is not None
        ]
        tasks += ingests
        if block.deconvolve is not None:
            seconds = extra["deconvolve"] + _block_seconds(work, place, rates, block.deconvolve)
            after = [task.name for task in [*psfs, *ingests]]
            tasks.append(Task(f"deconvolve {number}", "deconvolve", seconds, slots["deconvolve"], after))
    return tasks + _last_tasks(work, place, rates, extra, slots["consolidate"], [task.name for task in tasks])


def _last_tasks(
    work: Work, place: Place, rates: Rates, extra: Mapping[str, float], slots: int, before: Sequence[str]
) -> list[Task]:
    """List the jobs that wait for all others."""
    tasks = []
    if work.publish:
        prove = _all_stored(work, rates) * rates.check / speed(place.threads["consolidate"], 1)
        seconds = extra["consolidate"] + prove + rates.pace * VOLUME_SECONDS["consolidate"] * work.volumes
        tasks.append(Task("consolidate", "consolidate", seconds, slots, before))
    if work.report:
        seconds = extra["report"] + rates.pace * VOLUME_SECONDS["report"] * work.volumes
        tasks.append(Task("report", "report", seconds, 1, [task.name for task in tasks]))
    return tasks


def _ingest_seconds(work: Work, place: Place, rates: Rates) -> float:
    """Return the seconds that a volume takes."""
    return math.prod(work.shape) * rates.ingest / speed(place.threads["ingest"], INGEST_THREADS)


def _each(work: Work, place: Place, rates: Rates) -> float:
    """Return the seconds from one volume of a worker to its next: on a GPU one computes while others come and go."""
    compute, transfer = rates.volume_seconds(work, place.worker_cores)
    return max(compute, (compute + transfer) / deconvolution.slots(place.engine))


def _block_seconds(work: Work, place: Place, rates: Rates, volumes: int) -> float:
    """Return the seconds that a block's workers need, until they are there and those that replace them included."""
    each, lifetime = _each(work, place, rates), place.limits.get("workers", math.inf)
    if lifetime < math.inf:
        lifetime = jobqueue.lifetime(lifetime, each)
    return timetable.worker_seconds(volumes, place.workers, each, rates.workers, lifetime)


def _rules(work: Work, place: Place, rates: Rates, tasks: list[Task]) -> tuple[Rule, ...]:
    """Sum up the jobs of each rule, and the workers."""
    found = []
    volume = {"ingest": _ingest_seconds(work, place, rates)}
    for name in dict.fromkeys(task.rule for task in tasks):
        seconds = [task.seconds for task in tasks if task.rule == name]
        cores = place.threads.get(name, 1)
        found.append(
            Rule(
                rule=name,
                jobs=len(seconds),
                cores=cores,
                memory=place.memory.get(name, 0),
                seconds=max(seconds),
                volume_seconds=volume.get(name),
                core_seconds=cores * sum(seconds),
                gpu_seconds=0.0,
                partition=place.partitions.get(name, HERE),
                limit=place.limits.get(name),
            )
        )
    workers = _workers(work, place, rates)
    return (*found, workers) if workers.jobs else tuple(found)


def _workers(work: Work, place: Place, rates: Rates) -> Rule:
    """Sum up the workers of all `deconvolve` jobs."""
    blocks = [block.deconvolve for block in work.blocks if block.deconvolve]
    seconds = [_block_seconds(work, place, rates, volumes) for volumes in blocks]
    numbers = [min(place.workers, volumes) for volumes in blocks]
    total = sum(n * s for n, s in zip(numbers, seconds, strict=True))
    need = restoration.memory_bytes(work.shape, rates.psf_shape, place.engine, work.method["acceleration"])
    return Rule(
        rule="workers",
        jobs=sum(numbers),
        cores=place.worker_cores,
        memory=place.worker_memory if place.worker_memory and "workers" in place.limits else need,
        seconds=max(seconds, default=0.0),
        volume_seconds=_each(work, place, rates),
        core_seconds=place.worker_cores * total,
        gpu_seconds=total if place.engine == "gpu" else 0.0,
        partition=place.partitions["workers"],
        limit=place.limits.get("workers"),
    )
