"""One answer of squeue for all processes of a run, on whatever nodes: a file of theirs has it.

A controller that serves thousands of users is asked once in ten seconds by a run, however many of its processes want
to know. Whoever finds the answer too old asks, after it has made a claim: a file beside it that only one can make.
"""

import json
import math
import os
import time
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path

from lightsheet.cluster.slurm import SlurmJob, list_jobs
from lightsheet.cluster.slurm_command import TIMEOUT_SECONDS, NoAnswerError
from lightsheet.system import logger, write_news

OLDEST_SECONDS = 10.0

CLAIM_SECONDS = TIMEOUT_SECONDS + 10.0
"""Time after which a claim that has not changed is that of a dead process."""

CLOCK_SECONDS = 1.0
"""Time by which a file may seem to be from the future, as file times are coarser than a clock."""


@dataclass(frozen=True)
class Queue:
    """The jobs of a run as squeue knew them, those that ended shortly before included; None if it did not answer.

    `time` is when squeue was called, in this process's monotonic seconds: of jobs that were submitted later it knows
    nothing. `end` is when it had answered.
    """

    jobs: list[SlurmJob] | None
    time: float
    end: float


@dataclass
class _Knowledge:
    """What a process knows of a queue's file: the latest answer to a question of its own, and another's claim."""

    queue: Queue | None = None  # also where the disk is full
    clock: float | None = None  # by how much the file system's clock is before this process's monotonic one
    claim: tuple[int, int] | None = None
    claim_time: float = 0.0  # when it was seen first


_knowledge: dict[Path, _Knowledge] = {}


def read_queue(path: Path, label: str, oldest_seconds: float = OLDEST_SECONDS) -> list[SlurmJob] | None:
    """Return the jobs of a run, those that ended a short while ago included.

    Parameters
    ----------
    path : Path, the file that all processes of the run share (`Results.queue`)
    label : str, the run's, see `label_jobs`
    oldest_seconds : float, squeue is asked if its latest answer is older, unless another process does that just now

    Returns
    -------
    list of SlurmJob, or None if SLURM did not answer
    """
    queue = ask_queue(path, label, oldest_seconds)
    return queue.jobs if queue else None


def ask_queue(path: Path, label: str, oldest_seconds: float = OLDEST_SECONDS) -> Queue | None:
    """Return what `read_queue` returns, with the time of the question; None if there is no answer yet."""
    path = path.absolute()
    knowledge = _knowledge.setdefault(path, _Knowledge())
    queue = _choose_latest(knowledge.queue, _read(path, label, knowledge.clock))
    if _is_recent(queue, oldest_seconds):
        return queue
    claim = path.with_suffix(".claim")
    has_claim = False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        has_claim = _make_claim(claim, knowledge)
        if not has_claim:
            return queue
    except OSError:  # a disk that takes no file: each process asks for itself
        pass
    try:
        queue = _choose_latest(knowledge.queue, _read(path, label, knowledge.clock))  # by the right clock, now
        if not _is_recent(queue, oldest_seconds):
            queue = knowledge.queue = _ask(label)
            with suppress(OSError):
                _write(path, label, queue)
        return queue
    finally:
        if has_claim:
            with suppress(OSError):
                claim.unlink()


def forget_queue(path: Path) -> None:
    """Remove the answer, and the claim, that a killed run left."""
    for file in (path, path.with_suffix(".claim")):
        with suppress(OSError):
            file.unlink()
    _knowledge.pop(path.absolute(), None)


def _choose_latest(*queues: Queue | None) -> Queue | None:
    return max((queue for queue in queues if queue), key=lambda queue: queue.end, default=None)


def _is_recent(queue: Queue | None, oldest_seconds: float) -> bool:
    age = time.monotonic() - queue.end if queue else math.inf
    return age >= -CLOCK_SECONDS and max(age, 0) < oldest_seconds


def _make_claim(claim: Path, knowledge: _Knowledge) -> bool:
    """Make the claim, and learn from it what time it is for the file system; False if another process has it.

    Clocks of machines differ, and a file's time may be the server's: only files are compared with files. A claim that
    stays the same for longer than a question can take is removed.
    """
    try:
        handle = os.open(claim, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        with suppress(FileNotFoundError):
            status = claim.stat()
            identity = (status.st_ino, status.st_mtime_ns)
            if identity != knowledge.claim:
                knowledge.claim, knowledge.claim_time = identity, time.monotonic()
            elif time.monotonic() - knowledge.claim_time > CLAIM_SECONDS:
                claim.unlink()
        return False
    try:
        knowledge.clock = os.fstat(handle).st_mtime - time.monotonic()
    finally:
        os.close(handle)
    return True


def _ask(label: str) -> Queue:
    start = time.monotonic()
    try:
        jobs = list_jobs(label)
    except NoAnswerError as error:
        logger.warning("%s", error)
        jobs = None
    return Queue(jobs, start, time.monotonic())


def _read(path: Path, label: str, clock: float | None) -> Queue | None:
    """Return the answer in a file; of unknown age, and so old, before this process knows the file system's clock."""
    try:
        with path.open(encoding="utf-8") as file:
            content = json.load(file)
            end = -math.inf if clock is None else os.fstat(file.fileno()).st_mtime - clock
        if content["label"] != label:
            return None
        jobs = content["jobs"]
        jobs = None if jobs is None else [SlurmJob(*map(str, job)) for job in jobs]
        return Queue(jobs, end - float(content["seconds"]), end)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _write(path: Path, label: str, queue: Queue) -> None:
    jobs = None if queue.jobs is None else [astuple(job) for job in queue.jobs]
    write_news(path, {"label": label, "seconds": queue.end - queue.time, "jobs": jobs})
