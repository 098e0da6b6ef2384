"""How many workers a coordinator goes on with, when some prove unfit."""

from dataclasses import dataclass, field

from lightsheet.cluster.faults import Fault, describe_faults, explain_end, has_spread
from lightsheet.cluster.slurm_worker import SlurmWorker
from lightsheet.system import InputError, logger

REFILLS = 2
"""How often in a row, for each worker, one that came to nothing before it was ready is replaced."""


@dataclass
class Headcount:
    """The workers at most, of so many that are asked for: one less for each that proved unfit."""

    number: int
    refills: int = field(init=False)  # how many in a row may come to nothing
    failures: int = 0  # workers that came to nothing since the last one became ready
    was_any_ready: bool = False
    faults: list[Fault] = field(default_factory=list)  # why workers proved unfit

    def __post_init__(self) -> None:
        self.refills = REFILLS * self.number

    def count_ready(self) -> None:
        """Count a worker that became ready: it makes up for those that did not."""
        self.failures, self.was_any_ready = 0, True

    def count_failure(self, worker: SlurmWorker, reason: str) -> None:
        """Count a worker that came to nothing; it is replaced, unless that happens again and again."""
        self.failures += 1
        if self.failures > self.refills:
            self.do_without(worker, reason)

    def do_without(self, worker: SlurmWorker, reason: str, *, is_final: bool = False) -> None:
        """Go on with one worker less; with none, if no worker was ever fit and several nodes have the same fault."""
        is_new = reason not in {fault.reason for fault in self.faults}
        self.faults.append(Fault(worker.place, worker.node, reason, str(worker.log), is_final))
        self.number = 0 if has_spread(self.faults) and not self.was_any_ready else self.number - 1
        if is_new and self.number > 0:  # with none left, the error says it
            logger.warning("a worker is not used, and not replaced: %s", describe_faults(self.faults[-1:]))

    def refuse_none(self) -> None:
        """Raise `InputError`, with the reasons, if no worker is left."""
        if self.number <= 0:
            raise InputError(explain_end(self.faults))
