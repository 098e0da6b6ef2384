"""The walltime of a coordinator that is a SLURM job of its own: it ends its work before, and is put back to go on."""

import os
import signal
import time
from dataclasses import dataclass
from typing import NoReturn

from lightsheet.cluster.slurm import ask_time_left
from lightsheet.cluster.slurm_command import NoAnswerError, ask_again
from lightsheet.system import InputError, format_duration, logger

HEAD_JOB = "LIGHTSHEET_HEAD_JOB"
"""Environment variable by which a job learns in which SLURM job, if any, the Snakemake runs that started it."""

LEAVE_SECONDS = 20.0
"""Before the end, in which workers are sent away and the job is put back; or a sixth of the walltime, if less."""

END_SECONDS = 120.0
"""Time that SLURM may take to end a job that it has put back into its queue."""


class OutOfTimeError(Exception):
    """The coordinator's job ends before all volumes are done; `done` of them were in its present life."""

    def __init__(self, done: int) -> None:
        super().__init__(f"{done} volumes are done")
        self.done = done


@dataclass(frozen=True)
class Walltime:
    """When SLURM ends the coordinator's job, in monotonic seconds, and after how many seconds in all."""

    end: float
    limit: float

    def is_near(self, volume_seconds: float) -> bool:
        """Tell whether a volume that begins now, and takes so long, might not be done in time."""
        return time.monotonic() > self.end - choose_grace(self.limit, volume_seconds)

    def is_over(self) -> bool:
        """Tell whether volumes in flight can be awaited no longer."""
        return time.monotonic() > self.end - min(LEAVE_SECONDS, self.limit / 6)


def choose_grace(limit: float, volume_seconds: float) -> float:
    """Return the seconds before its end in which a coordinator hands out no volume: at most half of its walltime."""
    return min(max(60.0, min(0.1 * limit, 300.0), volume_seconds), limit / 2)


def has_own_job() -> bool:
    """Tell whether SLURM started a job for this process alone; a job of the run's own Snakemake ends with that."""
    job = os.environ.get("SLURM_JOB_ID")
    return bool(job and os.environ.get(HEAD_JOB, job) != job)


def count_restarts() -> int:
    """Return how often SLURM has put this process's job back into the queue; its earlier lives were attempts, too."""
    return int(os.environ.get("SLURM_RESTART_COUNT", "0")) if has_own_job() else 0


def find_walltime() -> Walltime | None:
    """Return the walltime of this process's job, if SLURM started the job for it alone and limits its time."""
    if not has_own_job():
        return None
    start, end = (os.environ.get(f"SLURM_JOB_{name}_TIME", "") for name in ("START", "END"))
    if start.isdecimal() and end.isdecimal() and int(end) > max(int(start), time.time()):
        return Walltime(time.monotonic() + int(end) - time.time(), float(end) - float(start))
    try:
        seconds, limit = ask_time_left(os.environ["SLURM_JOB_ID"])
    except (NoAnswerError, ValueError):  # "UNLIMITED", or nothing
        return None
    return Walltime(time.monotonic() + seconds, max(limit, 1.0))


def put_back(done: int) -> NoReturn:
    """Have SLURM end this job and start it again later, to go on; or say why that is of no use.

    Raises
    ------
    InputError
        If no volume was done in this life, or the site puts no job back.
    """
    if not done:
        raise InputError(
            "the coordinator's job reached its time limit before any volume was done: raise `runtime` of deconvolve "
            "in the profile, and run the same command again"
        )
    job = os.environ["SLURM_JOB_ID"]
    logger.info("job %s is near its time limit, and goes back into the queue to continue", job)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # by which SLURM ends the requeued job; the log has said why
    if not (refusal := _requeue(job)):
        time.sleep(END_SECONDS)
        refusal = f"it still runs after {format_duration(END_SECONDS)}"
    raise InputError(
        f"the coordinator's job {job} is near its time limit, and SLURM does not put it back into the queue ({refusal})"
        ": run the same command again, which goes on; a higher `runtime` of deconvolve in the profile spares that"
    )


def _requeue(job: str) -> str:
    """Ask SLURM to put a job back; return why it does not."""
    try:
        ask_again("scontrol", "requeue", job)
    except NoAnswerError as error:
        return " ".join(str(error).removeprefix("scontrol:").split()) or "no reason"
    return ""
