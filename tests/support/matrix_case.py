"""One case of the matrix: a cluster, the limits and the other users on it, and how fast a run could be there."""

from collections.abc import Mapping
from dataclasses import dataclass, field

TIMEPOINTS, VOLUMES = 12, 24
VOLUME_SECONDS = 2.0  # of tests/support/slow_worker
START_SECONDS = 15.0
EXCESS = 1.3
CALL_SECONDS, FREE_CALLS = 10.0, 3  # of squeue: at the start, at the end, and a coordinator about its own time limit


@dataclass(frozen=True)
class Case:
    """`others` says how many CPUs of a node another user's jobs hold."""

    name: str
    nodes: int = 2
    cpus: int = 8
    limits: Mapping[str, int | str] = field(default_factory=dict)
    others: Mapping[str, int] = field(default_factory=dict)
    timepoints_per_job: int | str = "auto"

    @property
    def blocks(self) -> int:
        """How many coordinators the run has, one after the other."""
        return TIMEPOINTS // self.timepoints_per_job if isinstance(self.timepoints_per_job, int) else 1

    def count_workers(self, cpus: int) -> int:
        """Return how many workers of so many CPUs can run at a time beside one coordinator, in its best seat."""
        free = [self.cpus - self.others.get(f"c{number + 1}", 0) for number in range(self.nodes)]
        seats = [node for node, number in enumerate(free) if number]
        rooms = [sum((number - (node == seat)) // cpus for node, number in enumerate(free)) for seat in seats]
        bounds = [max(rooms)]
        bounds += [int(self.limits[name]) - 1 for name in ("MaxJobs", "MaxSubmitJobs") if name in self.limits]
        if "GrpTRES" in self.limits:
            bounds.append((int(str(self.limits["GrpTRES"]).removeprefix("cpu=")) - 1) // cpus)
        return min(VOLUMES, *bounds)


CASES = {
    case.name: case
    for case in [
        Case("2x8"),
        Case("2x4", cpus=4),
        Case("2x2", cpus=2),
        Case("1x8", nodes=1),
        Case("1x4", nodes=1, cpus=4),
        Case("1x2", nodes=1, cpus=2),
        Case("MaxJobs=2", limits={"MaxJobs": 2}),
        Case("MaxJobs=4", limits={"MaxJobs": 4}),
        Case("MaxSubmitJobs=10", limits={"MaxSubmitJobs": 10}),
        Case("GrpTRES=cpu=4", limits={"GrpTRES": "cpu=4"}),
        Case("others-hold-a-node", others={"c1": 8}),
        Case("others-hold-half-of-each", others={"c1": 4, "c2": 4}),
        Case("timepoints_per_job=1", timepoints_per_job=1),
        Case("timepoints_per_job=6", timepoints_per_job=6),
    ]
}


@dataclass(frozen=True)
class Outcome:
    """How a run ended; `wrong` says what is wrong with it, beside its time and its calls."""

    case: Case
    seconds: float
    worker_cpus: int  # that the run chose; 0: it had no worker
    workers: int  # that ran
    calls: Mapping[str, int]  # of SLURM's commands
    states: Mapping[str, int]  # of the workers' jobs
    wrong: str

    @property
    def ideal(self) -> float:
        """Seconds that the volumes alone take, on all the workers that could have run at a time."""
        workers = self.case.count_workers(self.worker_cpus) if self.worker_cpus else 0
        return VOLUMES * VOLUME_SECONDS / workers if workers else VOLUMES * VOLUME_SECONDS

    @property
    def allowed(self) -> float:
        """Seconds that the run may take; each of its coordinators has a start."""
        return EXCESS * self.ideal + START_SECONDS * self.case.blocks

    @property
    def ratio(self) -> float:
        """Of the seconds to those that are allowed."""
        return self.seconds / self.allowed

    @property
    def allowed_calls(self) -> int:
        """How often squeue may be called: every ten seconds, the first and the last of them included."""
        return int(self.seconds // CALL_SECONDS) + 1 + FREE_CALLS + self.case.blocks - 1

    @property
    def faults(self) -> list[str]:
        """What is wrong, in words."""
        faults = [self.wrong] if self.wrong else []
        if self.ratio > 1:
            faults.append(f"{self.seconds:.0f} s are more than {self.allowed:.0f} s")
        if self.calls.get("squeue", 0) > self.allowed_calls:
            faults.append(f"squeue was called {self.calls['squeue']} times in {self.seconds:.0f} s")
        if {*self.states} - {"COMPLETED"}:
            faults.append(f"workers ended as {dict(self.states)}")
        return faults

    def describe(self) -> str:
        """Return a row of the table."""
        calls = " ".join(str(self.calls.get(name, 0)) for name in ("squeue", "sacct", "sinfo"))
        jobs = ", ".join(f"{number} {state}" for state, number in self.states.items())
        workers = f"{self.workers} x {self.worker_cpus}"
        times = f"{self.seconds:6.1f} {self.ideal:6.1f} {self.ratio:6.2f}"
        return f"{self.case.name:26} {times} {workers:>8} {calls:>9}  {jobs}"


HEAD = f"{'case':26} {'s':>6} {'ideal':>6} {'ratio':>6} {'workers':>8} {'calls':>9}  jobs of workers"
