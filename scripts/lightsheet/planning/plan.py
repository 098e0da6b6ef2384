"""What a run will take, before any pixel is computed: jobs, seconds, memory, bytes and files.

The seconds are those that volumes of this kind took (`measurements`), put into the order in which jobs can run
(`timetable`) where they would run (`site`), for what is still to be done (`workload`).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from lightsheet.cluster import choose_lifetime
from lightsheet.deconvolution import Method, count_slots, gpu
from lightsheet.planning.rates import LAUNCH_SECONDS, Rates, compute_speedup
from lightsheet.planning.site import INGEST_CORES, Place, Share
from lightsheet.planning.timetable import Task, count_concurrent, simulate_jobs, simulate_workers
from lightsheet.planning.workload import Work, count_entries
from lightsheet.processing import estimate_memory
from lightsheet.run import KINDS
from lightsheet.viewing import EVENLY, LONG_SIDE, MARKED

HEAD_SECONDS = 3.6
"""Of Snakemake's own process: to read the Snakefile, and to leave; as all these, at the pace of `measurements`."""

JOB_SECONDS = {"inventory": 0.5, "psf": 2.8, "ingest": 2.1, "deconvolve": 3.4, "consolidate": 2.2, "report": 1.5}
"""Of a job besides its volumes and its workers, imports above all."""

VOLUME_SECONDS = {"consolidate": 0.001, "report": 0.0015}
"""Of these jobs for each volume of the run, whatever its size: its records, its row and its links; 600 tiny ones."""

PICTURE_SECONDS = 33e-9
"""Of the report, for each voxel of the pyramid level that a picture shows, before and after."""


class RulePlan(NamedTuple):
    """The jobs of one rule, or the workers (of `deconvolve`).

    `jobs` of them, each with a `share`; `seconds` of the longest, and of all together (`total`); `volume_seconds` where
    it takes volumes one by one.
    """

    rule: str
    share: Share
    jobs: int
    seconds: float
    total: float
    volume_seconds: float | None = None

    @property
    def core_seconds(self) -> float:
        """Cores times seconds."""
        return self.share.cores * self.total


@dataclass(frozen=True)
class Plan:
    """What a run will take. Waiting in SLURM's queue, and other people's load, are not in it.

    Parameters
    ----------
    work : Work
        What is still to be done.
    place : Place
        Where.
    rates : Rates
        How long what takes.
    """

    work: Work
    place: Place
    rates: Rates

    @cached_property
    def rules(self) -> tuple[RulePlan, ...]:
        """The jobs of each rule, and the workers; none if there is nothing to do."""
        found, volume = [], {"ingest": self._ingest}
        for name in dict.fromkeys(task.rule for task in self._tasks):
            seconds = [task.seconds for task in self._tasks if task.rule == name]
            share = self.place.shares.get(name, Share())
            found.append(RulePlan(name, share, len(seconds), max(seconds), sum(seconds), volume.get(name)))
        if sizes := self.blocks:
            numbers, seconds = [min(self.place.workers, n) for n in sizes], [self._workers(n) for n in sizes]
            total = sum(n * s for n, s in zip(numbers, seconds, strict=True))
            found.append(RulePlan("workers", self._worker, sum(numbers), max(seconds), total, self.each))
        return tuple(found)

    @property
    def blocks(self) -> list[int]:
        """The volumes of each block that are to be deconvolved."""
        return [block.deconvolve for block in self.work.blocks if block.deconvolve]

    @property
    def stages(self) -> dict[str, tuple[float, float]]:
        """In which second each rule's first job starts and its last one ends."""
        times = {rule.rule: self._times_of(rule.rule) for rule in self.rules if rule.rule != "workers"}
        return {rule: (min(start for start, _ in of), max(end for _, end in of)) for rule, of in times.items()}

    @property
    def seconds(self) -> float:
        """From the command to its end."""
        return max((end for _, end in self._times.values()), default=0.0) + self.rates.pace * HEAD_SECONDS

    @property
    def workers_at_a_time(self) -> int:
        """How many workers are asked for at a time, at most."""
        largest = max(self.blocks, default=0)
        return min(self.place.workers, largest) * count_concurrent(self._times_of("deconvolve"))

    @property
    def read(self) -> int:
        """Bytes of TIFFs, of raw volumes to deconvolve, and of every shard to prove it."""
        sizes = [math.prod(level.shape) for level in self.work.run.layouts["raw"].levels]
        tiffs = self.work.tiff_bytes * self.work.todo("raw") / self.work.volumes
        raw = sizes[0] / sum(sizes) * self._stored("raw") * self.work.todo("result")
        return round(tiffs + raw + self.work.publish * self._published)

    @property
    def written(self) -> dict[str, int]:
        """Bytes of raw and of result shards."""
        return {kind: round(self._stored(kind) * self.work.todo(kind)) for kind in KINDS}

    @property
    def most(self) -> int:
        """How many bytes may be written at most, if nothing can be compressed."""
        return sum(self.work.run.layouts[kind].volume_bytes() * self.work.todo(kind) for kind in KINDS)

    @property
    def entries(self) -> tuple[int, int]:
        """Files and folders when all is done, with SLURM's logs: one a job in its own folder, two a worker."""
        files, folders = count_entries(self.work)
        blocks, channels = len(self.work.blocks), len(self.work.run.channels)
        if self.place.slurm_jobs:
            jobs = blocks * (channels + 1)
            files, folders = files + jobs + 1, folders + jobs + 4  # of three rules, one of them without wildcards
        if self.place.is_away:
            workers = sum(min(self.place.workers, volumes) for volumes in self.blocks)
            files, folders = files + 2 * workers, folders + blocks + 2  # a block's keys
        return files, folders

    @property
    def worker_memory(self) -> int:
        """Bytes that a worker needs."""
        method = self.work.method
        return estimate_memory(self.work.run.shape, self.rates.psf_shape, self.place.engine, method["acceleration"])

    @property
    def gpu_memory(self) -> int | None:
        """Bytes that a worker needs on its device."""
        if self.place.engine != "gpu":
            return None
        asked = self.work.method
        method = Method(1, asked["boundary"], acceleration=asked["acceleration"])
        return gpu.estimate_memory(self.work.run.shape, self.rates.psf_shape, method)

    @property
    def each(self) -> float:
        """Seconds from one volume of a worker to its next: on a GPU one computes while others come and go."""
        compute, transfer = self.rates.volume_seconds(self.work, self.place.worker.cores)
        return max(compute, (compute + transfer) / count_slots(self.place.engine))

    @property
    def _worker(self) -> Share:
        """What a worker asks for."""
        memory = self.place.worker.memory if self.place.is_away else None
        return self.place.worker._replace(memory=memory or self.worker_memory)

    @property
    def _ingest(self) -> float:
        """Seconds to ingest a volume."""
        faster = compute_speedup(self.place.shares["ingest"].cores, INGEST_CORES)
        return math.prod(self.work.run.shape) * self.rates.ingest / faster

    @property
    def _pictures(self) -> float:
        """Seconds to draw volumes for the report."""
        run = self.work.run
        levels = [level.shape for level in run.layouts["raw"].levels]
        shown = next((shape for shape in levels if max(shape) <= LONG_SIDE), levels[-1])
        number = len(run.channels) * min(EVENLY + MARKED, run.acquisition.timepoints)
        return number * math.prod(shown) * PICTURE_SECONDS

    @property
    def _published(self) -> float:
        """Bytes of all shards of the stores."""
        return sum(self._stored(kind) * self.work.volumes for kind in KINDS)

    def _stored(self, kind: str) -> float:
        """Return the bytes of a volume on the disk, its pyramid included."""
        return self.work.run.layouts[kind].volume_bytes() * self.rates.stored[kind]

    def _workers(self, volumes: int) -> float:
        """Return the seconds of a block's workers, until they are there and those that replace them included."""
        lifetime = self.place.worker.limit
        if lifetime < math.inf:
            lifetime = choose_lifetime(lifetime, self.each)
        return simulate_workers(volumes, self.place.workers, self.each, self.rates.workers, lifetime)

    def _times_of(self, rule: str) -> list[tuple[float, float]]:
        return [self._times[task.name] for task in self._tasks if task.rule == rule]

    @cached_property
    def _times(self) -> dict[str, tuple[float, float]]:
        return simulate_jobs(self._tasks, self.place.slurm_jobs or self.place.cores)

    @cached_property
    def _tasks(self) -> list[Task]:
        """The jobs that are to run, and what each waits for; those of one block after those of another."""
        tasks = [self._task("inventory")] if self.work.inventory else []
        psfs = [self._task("psf", f" {number}") for number in range(self.work.psfs)]
        tasks += psfs
        for number, block in enumerate(self.work.blocks):
            ingests = [
                self._task("ingest", f" {number} {channel}", volumes * self._ingest)
                for channel, volumes in enumerate(block.ingest)
                if volumes is not None
            ]
            tasks += ingests
            if block.deconvolve is not None:
                after = [task.name for task in [*psfs, *ingests]]
                tasks.append(self._task("deconvolve", f" {number}", self._workers(block.deconvolve), after))
        return [*tasks, *self._last([task.name for task in tasks])]

    def _last(self, others: list[str]) -> Iterator[Task]:
        """Yield the jobs that wait for all others."""
        if self.work.publish:
            prove = self._published * self.rates.check / compute_speedup(self.place.shares["consolidate"].cores, 1)
            yield self._task("consolidate", "", prove, others)
            others = ["consolidate"]
        if self.work.report:
            yield self._task("report", "", self._pictures, others)

    def _task(self, rule: str, which: str = "", seconds: float = 0.0, after: list[str] | None = None) -> Task:
        """Return a job that takes so long besides what every job of its rule takes."""
        share, is_away = self.place.shares.get(rule), bool(self.place.slurm_jobs and rule in self.place.shares)
        python = JOB_SECONDS[rule] + LAUNCH_SECONDS * is_away + VOLUME_SECONDS.get(rule, 0.0) * self.work.volumes
        slots = share.cores if share and not is_away else 1
        return Task(rule + which, rule, seconds + self.rates.pace * python, slots, after or [], is_away)
