"""A run on a simulated SLURM: Snakemake, coordinators and workers, as far as they submit jobs and wait for others."""

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.support.simulated_slurm import Clock, SimulatedJob, SimulatedSlurm

REFUSED_SECONDS = 60.0  # after which a job that sbatch refused is submitted again
HOUR = 3600.0
WALLTIME = 4 * HOUR  # of a worker


class Workers(NamedTuple):
    """What a coordinator asks for: so many workers of so many cores."""

    number: int
    cores: int


@dataclass
class Plan:
    """A run's jobs: blocks hold the numbers of their volumes, and each is ingested by the jobs that it names."""

    blocks: Sequence[range]
    ingest_jobs: int
    ingest_cores: int
    consolidate_cores: int
    coordinators: int  # at a time
    rule_jobs: int  # Snakemake's `jobs`
    worker_memory: int
    choose_workers: Callable[[SimulatedSlurm, int], Workers]  # by a coordinator that runs, for so many volumes


@dataclass
class SimulatedRun:
    """Snakemake's side: what is ready is submitted, so many jobs at a time; what is refused, again later."""

    slurm: SimulatedSlurm
    plan: Plan
    random: random.Random
    ready: deque[Callable[[], SimulatedJob]] = field(default_factory=deque)
    submitted: int = 0  # rule jobs that have not ended
    seated: int = 0  # coordinators among them
    ingested: int = 0
    blocks_done: int = 0
    is_over: bool = False

    def begin(self) -> None:
        """Submit the first jobs."""
        self.ready.extend([self.make_ingest] * self.plan.ingest_jobs)
        self.submit()

    def submit(self) -> None:
        while self.ready and self.submitted < self.plan.rule_jobs:
            if self.ready[0] == self.make_coordinator and self.seated >= self.plan.coordinators:
                return
            make = self.ready.popleft()
            self.submitted += 1
            self.seated += make == self.make_coordinator
            self.insist(make())

    def insist(self, job: SimulatedJob) -> None:
        """Submit a job, again and again if it is refused."""
        if not self.slurm.submit(job):
            self.slurm.clock.at(REFUSED_SECONDS, lambda: self.insist(job), is_question=True)

    def finish(self, job: SimulatedJob) -> None:
        """Note the end of a rule's job."""
        self.slurm.end(job)
        self.submitted -= 1
        self.submit()

    def make_ingest(self) -> SimulatedJob:
        def end() -> None:
            self.ingested += 1
            if self.ingested == self.plan.ingest_jobs:
                self.ready.extend([self.make_coordinator] * len(self.plan.blocks))
            self.finish(job)

        job = SimulatedJob(self.plan.ingest_cores, 500, HOUR)
        job.start = lambda: self.slurm.clock.at(self.random.uniform(5, 60), end)
        return job

    def make_coordinator(self) -> SimulatedJob:
        block = self.plan.blocks[self.blocks_done + self.seated - 1]

        def end() -> None:
            self.blocks_done += 1
            self.seated -= 1
            if self.blocks_done == len(self.plan.blocks):
                self.ready.append(self.make_consolidate)
            self.finish(job)

        job = SimulatedJob(1, 1000, 24 * HOUR)
        coordinator = Coordinator(self, len(block), end)
        job.start = coordinator.begin
        return job

    def make_consolidate(self) -> SimulatedJob:
        def end() -> None:
            self.is_over = True
            self.finish(job)

        job = SimulatedJob(self.plan.consolidate_cores, 1000, HOUR)
        job.start = lambda: self.slurm.clock.at(self.random.uniform(5, 60), end)
        return job


@dataclass
class Coordinator:
    """Volumes to workers, which are submitted when it begins and replaced when they leave at their walltime."""

    run: SimulatedRun
    waiting: int  # volumes
    end: Callable[[], None]
    in_flight: int = 0
    number: int = 0  # of workers that it wants
    cores: int = 1
    workers: list[SimulatedJob] = field(default_factory=list)

    def begin(self) -> None:
        self.number, self.cores = self.run.plan.choose_workers(self.run.slurm, self.waiting)
        self.fill_up()

    def fill_up(self) -> None:
        """Submit the workers that are missing; if one is refused, the others later."""
        while len(self.workers) < min(self.number, self.waiting + self.in_flight):
            worker = SimulatedJob(self.cores, self.run.plan.worker_memory, WALLTIME)
            worker.start = lambda worker=worker: self.hand_out(worker, self.run.slurm.clock.time)  # type: ignore[misc]
            if not self.run.slurm.submit(worker):
                self.run.slurm.clock.at(REFUSED_SECONDS, self.fill_up, is_question=True)
                return
            self.workers.append(worker)

    def hand_out(self, worker: SimulatedJob, start: float) -> None:
        """Give a worker its next volume; without one, or near its walltime, it leaves."""
        is_late = self.run.slurm.clock.time - start > 0.9 * WALLTIME
        if not self.waiting or is_late:
            self.workers.remove(worker)
            self.run.slurm.end(worker)
            self.fill_up()
            return
        self.waiting -= 1
        self.in_flight += 1

        def end() -> None:
            self.in_flight -= 1
            if not self.waiting and not self.in_flight:
                for other in self.workers:
                    self.run.slurm.end(other)
                self.end()
            else:
                self.hand_out(worker, start)

        self.run.slurm.clock.at(self.run.random.uniform(1, 900), end)


def simulate_run(slurm: SimulatedSlurm, plan: Plan, seed: int) -> bool:
    """Let a run go to its end; False if it stands still."""
    run = SimulatedRun(slurm, plan, random.Random(seed))
    run.begin()
    return slurm.clock.run(lambda: run.is_over)


def make_slurm(nodes: list[tuple[int, int]], limits: dict[str, int], others: Sequence[SimulatedJob]) -> SimulatedSlurm:
    """Make a cluster on which other users have submitted their jobs at random moments of the first hour."""
    slurm = SimulatedSlurm(Clock(), nodes, limits)
    for number, job in enumerate(others):
        slurm.clock.at(number * HOUR / len(others), lambda job=job: slurm.submit(job))  # type: ignore[misc]
    return slurm
