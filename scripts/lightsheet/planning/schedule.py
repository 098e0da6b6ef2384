"""Seconds of each job and worker of a run, and when they run: rates times work, in the order that jobs can have."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from lightsheet.cluster import choose_lifetime
from lightsheet.planning.builtin_rates import LAUNCH_SECONDS
from lightsheet.planning.job_simulation import Task, simulate_jobs, simulate_workers
from lightsheet.planning.place import Place
from lightsheet.planning.rates import Rates, compute_speedup
from lightsheet.planning.workload import Work
from lightsheet.processing import Rate
from lightsheet.run import INGEST_CORES, KINDS
from lightsheet.viewing import EVEN_PICTURES, LONG_SIDE, OUTLIER_PICTURES

HEAD_SECONDS = 2.2
"""Seconds in which Snakemake's own process reads the Snakefile and leaves; like all these, at `Rates.pace` 1."""

JOB_SECONDS = {"inventory": 0.3, "psf": 1.2, "ingest": 0.5, "deconvolve": 1.8, "consolidate": 1.6, "report": 0.6}
"""Seconds of a job besides its volumes and its workers, imports above all; measured as CPU seconds."""

COPY_SECONDS = {"inventory": 0.1, "psf": 0.4, "ingest": 0.2, "deconvolve": 0.6, "consolidate": 0.7, "report": 0.5}
"""The same of a job that is a copy of the process which has imported everything, where all jobs run on one machine."""

SERVER_SECONDS = 0.6
"""For which the first of these jobs waits for that process, while Snakemake's prepares the run."""

VOLUME_SECONDS = {"consolidate": 0.001, "report": 0.0015}
"""Seconds that these jobs take for each volume of any size: its records, row and links; measured with 600 tiny ones."""

PICTURE_SECONDS = 9e-9
"""Seconds of the report for each voxel of the pyramid level that a picture shows, before and after."""


@dataclass(frozen=True)
class Schedule:
    """The jobs and workers of a run; waiting in SLURM's queue, and other people's load, are not in it."""

    work: Work
    place: Place
    rates: Rates

    @property
    def has_copies(self) -> bool:
        """Whether jobs are copies of one process."""
        return not self.place.slurm_jobs and self.place.cluster == "local"

    @property
    def block_sizes(self) -> list[int]:
        """Volumes of each block that are to be deconvolved."""
        return [block.volumes for block in self.work.blocks if block.volumes]

    @property
    def ingest_seconds(self) -> float:
        """Seconds to ingest a volume."""
        speedup = compute_speedup(self.place.shares["ingest"].cores, INGEST_CORES)
        return math.prod(self.work.run.shape) * self.rates.ingest / speedup

    @property
    def volume_seconds(self) -> float:
        """Seconds from one volume of a worker to its next, while it has all in hand that it may have."""
        return self.rates.estimate_interval(self.work, self.place.worker.cores, self.place.slots)

    @property
    def latency_seconds(self) -> float:
        """Seconds that a volume is in hand."""
        return self.volume_seconds * self.place.slots

    def estimate_workers_seconds(self, volumes: int) -> float:
        """Return the seconds of a block's workers, until they and those that replace them have started included."""
        lifetime = self.place.worker.limit
        if lifetime < math.inf:
            lifetime = choose_lifetime(lifetime, self.latency_seconds)
        if not self.rates.has_gpu:  # a GPU takes the next volume as soon as one leaves
            at_a_time = self.place.workers * self.place.slots
            volumes = math.ceil(volumes / at_a_time) * at_a_time if self.place.slots > 1 else volumes
        return simulate_workers(volumes, self.place.workers, self.volume_seconds, self.rates.worker_start, lifetime)

    @property
    def rate(self) -> Rate:
        """What bounds the rate of a worker."""
        cores = self.place.worker.cores
        if not self.rates.has_gpu:
            return Rate(self.volume_seconds, cores, 1.0)
        needs = self.rates.estimate_gpu_needs(self.work)
        cores_busy = needs.seconds / cores / self.volume_seconds
        return Rate(self.volume_seconds, cores, cores_busy, needs.gpu_seconds / self.volume_seconds)

    @property
    def disk_rate(self) -> float:
        """Bytes a second that all workers read and write."""
        workers = min(self.place.workers, max(self.block_sizes, default=0))
        return workers * sum(self.estimate_stored_bytes(kind) for kind in KINDS) / self.volume_seconds

    def estimate_stored_bytes(self, kind: str) -> float:
        """Return the bytes of a raw or result volume on the disk, its pyramid included."""
        return self.work.run.layouts[kind].count_volume_bytes() * self.rates.stored[kind]

    @property
    def published_bytes(self) -> float:
        """Bytes of all shards of the stores."""
        kinds = KINDS if self.work.run.keeps_raw else ("result",)
        return sum(self.estimate_stored_bytes(kind) * self.work.volumes for kind in kinds)

    @cached_property
    def tasks(self) -> list[Task]:
        """The jobs that are to run, and what each waits for: a coordinator for the one before it, too."""
        tasks = [self._make_task("inventory")] if self.work.inventory else []
        psfs = [self._make_task("psf", f" {number}") for number in range(self.work.psfs)]
        tasks += psfs
        ingests = {
            manifest: self._make_task("ingest", f" {manifest}", volumes * self.ingest_seconds)
            for manifest, volumes in self.work.ingest.items()
        }
        tasks += ingests.values()
        coordinators: list[Task] = []
        for number, block in enumerate(self.work.blocks):
            after = [*psfs, *(ingests[manifest] for manifest in block.after), *coordinators[-1:]]
            seconds = self.estimate_workers_seconds(block.volumes)
            names = [task.name for task in after]
            coordinators.append(self._make_task("deconvolve", f" {number}", seconds, names))
        tasks += coordinators
        inputs = [task.name for task in tasks]
        if self.work.publish:
            speedup = compute_speedup(self.place.shares["consolidate"].cores, 1)
            seconds = self.published_bytes * self.rates.check / speedup
            tasks.append(self._make_task("consolidate", "", seconds, inputs))
            inputs = ["consolidate"]
        if self.work.report:
            tasks.append(self._make_task("report", "", self._picture_seconds, inputs))
        return tasks

    def _make_task(self, rule: str, suffix: str = "", seconds: float = 0.0, after: Sequence[str] = ()) -> Task:
        """Add to the seconds of a job what every job of its rule takes."""
        share = self.place.shares.get(rule)
        in_slurm = bool(self.place.slurm_jobs and share)
        start = COPY_SECONDS[rule] if self.has_copies else JOB_SECONDS[rule] + LAUNCH_SECONDS * in_slurm
        python = start + VOLUME_SECONDS.get(rule, 0.0) * self.work.volumes
        slots = share.cores if share and not in_slurm else 1
        return Task(rule + suffix, rule, seconds + self.rates.pace * python, slots, after, in_slurm)

    @property
    def _picture_seconds(self) -> float:
        """Seconds to draw volumes for the report."""
        run = self.work.run
        levels = [level.shape for level in run.layouts["raw"].levels]
        shape = next((shape for shape in levels if max(shape) <= LONG_SIDE), levels[-1])
        volumes = len(run.channels) * min(EVEN_PICTURES + OUTLIER_PICTURES, run.acquisition.timepoints)
        return volumes * math.prod(shape) * PICTURE_SECONDS

    @cached_property
    def times(self) -> dict[str, list[tuple[float, float]]]:
        """In which seconds the jobs of each rule start and end."""
        times, by_rule = simulate_jobs(self.tasks, self.place.slurm_jobs or self.place.cores), defaultdict(list)
        for task in self.tasks:
            by_rule[task.rule].append(times[task.name])
        return by_rule

    @property
    def seconds(self) -> float:
        """Wall-clock of the whole command."""
        ends = [end for times in self.times.values() for _, end in times]
        return max(ends, default=0.0) + self.rates.pace * (HEAD_SECONDS + SERVER_SECONDS * self.has_copies)
