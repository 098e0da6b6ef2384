"""When the coordinator looks at what SLURM says of its workers' jobs, and what a user hears of those that wait."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from lightsheet.cluster.shared_queue import Queue, ask_queue
from lightsheet.system import logger

PAUSE_SECONDS = (1.0, 30.0)
"""Pause between two looks: after something has happened, and the longest while nothing does."""

SAME_SECONDS = 0.5
"""Answers whose times differ by no more are one: the clocks of file systems are coarse."""


@dataclass
class QueueWatch:
    """Looks at the run's queue for jobs of one name: soon after something has happened, then ever more rarely."""

    path: Path  # of the answer that all processes of the run share
    label: str
    name: str
    reason: str = ""  # why jobs wait, as squeue says
    answer_time: float = float("-inf")  # of the latest answer, monotonic seconds
    time: float = field(default=0.0)  # of the next look, monotonic seconds
    pause: float = PAUSE_SECONDS[0]

    @property
    def is_due(self) -> bool:
        """Whether it is time to look."""
        return time.monotonic() > self.time

    def ask_soon(self) -> None:
        """Have the next look shortly: something has happened."""
        self.pause = PAUSE_SECONDS[0]
        self.time = min(self.time, time.monotonic() + self.pause)

    def ask(self) -> Queue | None:
        """Return what squeue says of the jobs, and log why some wait; None if there is no new answer."""
        self.time = time.monotonic() + self.pause
        self.pause = min(2 * self.pause, PAUSE_SECONDS[1])
        queue = ask_queue(self.path, self.label)
        if not queue or queue.jobs is None or queue.time <= self.answer_time + SAME_SECONDS:
            return None
        self.answer_time = queue.time
        waiting = [job for job in queue.jobs if job.name == self.name and job.is_waiting]
        reason = ", ".join(sorted({job.reason for job in waiting}))
        if reason and reason != self.reason:
            logger.info("%d worker job(s) wait in the queue; squeue's reason: %s", len(waiting), reason)
        self.reason = reason
        return queue
