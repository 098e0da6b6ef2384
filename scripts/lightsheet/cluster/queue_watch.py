"""When SLURM is asked about the jobs of one coordinator, and what a user hears of those that wait."""

import time
from dataclasses import dataclass, field

from lightsheet.cluster.slurm import WAITING, NoAnswerError, SlurmJob, list_jobs
from lightsheet.system import logger

PAUSE_SECONDS = (1.0, 60.0)
"""Pause between two questions to SLURM: after something has happened, and the longest while nothing does."""


@dataclass
class QueueWatch:
    """The questions to squeue about jobs of one name: soon after something has happened, then ever more rarely."""

    name: str
    reason: str = ""  # why jobs wait, as squeue says
    time: float = field(default=0.0)  # of the next question, monotonic seconds
    pause: float = PAUSE_SECONDS[0]

    @property
    def is_due(self) -> bool:
        """Whether it is time to ask."""
        return time.monotonic() > self.time

    def ask_soon(self) -> None:
        """Have the next question asked shortly: something has happened."""
        self.pause = PAUSE_SECONDS[0]
        self.time = min(self.time, time.monotonic() + self.pause)

    def ask(self) -> dict[str, SlurmJob] | None:
        """Return the jobs that squeue knows, by their ids, and log why some wait; None if it does not answer."""
        self.time = time.monotonic() + self.pause
        self.pause = min(2 * self.pause, PAUSE_SECONDS[1])
        try:
            jobs = list_jobs(self.name)
        except NoAnswerError as error:
            logger.warning("%s", error)
            return None
        waiting = [job for job in jobs if job.state in WAITING]
        reason = ", ".join(sorted({job.reason for job in waiting}))
        if reason and reason != self.reason:
            self.reason = reason
            logger.info("%d worker job(s) wait in the queue; squeue's reason: %s", len(waiting), reason)
        return {job.id: job for job in jobs}
