"""A SLURM of events instead of processes: nodes, limits of a user, other users, first come first served."""

import heapq
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(eq=False)
class SimulatedJob:
    """A job of so many cores and MB; `start` is called when it begins; it ends after `seconds`, or when told to."""

    cores: int
    memory: int
    limit: float  # seconds after which SLURM would end it
    is_mine: bool = True
    seconds: float | None = None
    start: Callable[[], None] = field(default=lambda: None, repr=False)
    state: str = "PENDING"
    node: int = -1
    end: float = 0.0  # at the latest


@dataclass
class Clock:
    """Events in the order of their times; those of `wait` only ask again, and change nothing by themselves."""

    time: float = 0.0
    events: list[tuple[float, int, bool, Callable[[], None]]] = field(default_factory=list)
    count: Iterator[int] = field(default_factory=itertools.count)
    idle: int = 0  # events in a row that changed nothing

    def at(self, seconds: float, action: Callable[[], None], is_question: bool = False) -> None:
        """Have something happen in so many seconds."""
        heapq.heappush(self.events, (self.time + seconds, next(self.count), is_question, action))

    def run(self, is_over: Callable[[], bool]) -> bool:
        """Let things happen until it is over; False if nothing more can happen."""
        while not is_over():
            questions = sum(is_question for *_, is_question, _ in self.events)
            if len(self.events) == questions and self.idle >= 2 * questions:
                return False
            self.time, _, is_question, action = heapq.heappop(self.events)
            self.idle = self.idle + 1 if is_question else 0
            action()
        return True


@dataclass
class SimulatedSlurm:
    """Nodes of so many cores and MB; `limits` are of our user: MaxJobs, MaxSubmitJobs, GrpTRES (cores)."""

    clock: Clock
    nodes: list[tuple[int, int]]
    limits: Mapping[str, int]
    queue: list[SimulatedJob] = field(default_factory=list)
    running: list[SimulatedJob] = field(default_factory=list)

    def submit(self, job: SimulatedJob) -> bool:
        """Put a job into the queue; False if it is refused."""
        number = sum(other.is_mine for other in self.queue + self.running)
        if job.is_mine and number >= self.limits.get("MaxSubmitJobs", number + 1):
            return False
        assert any(job.cores <= cores and job.memory <= memory for cores, memory in self.nodes), (
            "SLURM would not take it"
        )
        self.queue.append(job)
        self.clock.at(0.0, self.schedule)
        return True

    def end(self, job: SimulatedJob) -> None:
        """End a job, whether it runs or waits."""
        if job.state in ("PENDING", "RUNNING"):
            (self.queue if job.state == "PENDING" else self.running).remove(job)
            job.state = "ENDED"
            self.clock.at(0.0, self.schedule)

    def list_free(self) -> list[tuple[int, int]]:
        """Return the free cores and memory of each node."""
        return self._list_free(self.running)

    def _list_free(self, running: Iterable[SimulatedJob]) -> list[tuple[int, int]]:
        free = list(self.nodes)
        for job in running:
            cores, memory = free[job.node]
            free[job.node] = (cores - job.cores, memory - job.memory)
        return free

    def schedule(self) -> None:
        """Start jobs in their order; behind one that has no room yet, only those that do not delay it."""
        reserved, reserved_time = -1, math.inf
        for job in list(self.queue):
            if self._is_held(job):
                continue
            nodes = _list_fitting(job, self.list_free())
            nodes = [n for n in nodes if n != reserved or self.clock.time + job.limit <= reserved_time]
            if nodes:
                self._start(job, nodes[0])
            elif reserved < 0:
                reserved, reserved_time = self._foresee(job)

    def _start(self, job: SimulatedJob, node: int) -> None:
        self.queue.remove(job)
        self.running.append(job)
        job.state, job.node, job.end = "RUNNING", node, self.clock.time + job.limit
        job.start()
        if job.seconds is not None:
            self.clock.at(job.seconds, lambda: self.end(job))

    def _foresee(self, job: SimulatedJob) -> tuple[int, float]:
        """Return the node on which a job has room first, and when, if all jobs take as long as they may."""
        running = sorted(self.running, key=lambda other: other.end)
        for number, other in enumerate(running, 1):
            if nodes := _list_fitting(job, self._list_free(running[number:])):
                return nodes[0], other.end
        raise AssertionError("a job that fits no node")

    def _is_held(self, job: SimulatedJob) -> bool:
        jobs = [other for other in self.running if other.is_mine]
        cores = sum(other.cores for other in jobs) + job.cores
        too_many = len(jobs) >= self.limits.get("MaxJobs", len(jobs) + 1)
        return job.is_mine and (too_many or cores > self.limits.get("GrpTRES", cores))


def _list_fitting(job: SimulatedJob, free: Iterable[tuple[int, int]]) -> list[int]:
    """Return the numbers of the nodes where a job has room."""
    return [number for number, (cores, memory) in enumerate(free) if job.cores <= cores and job.memory <= memory]
