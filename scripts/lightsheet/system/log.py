"""A job's log: the same lines in its file and on the screen, one sentence for a user's mistake, and progress."""

import atexit
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TextIO

from lightsheet.system.disk import describe_disk_error
from lightsheet.system.errors import InputError
from lightsheet.system.escapes import escape_lines
from lightsheet.system.text import format_duration

logger = logging.getLogger("lightsheet")
logger.setLevel(logging.INFO)

NOTICE = logging.INFO + 5
"""Level of lines that a run prints besides what is wrong: what was chosen for the user."""

logging.addLevelName(NOTICE, "NOTICE")

LINE = "%(asctime)s %(levelname)s %(message)s"

PROGRESS_SECONDS = 30.0
"""Seconds between two log lines about many short steps, or about one part of a job."""

UNEXPECTED = "this job failed"
"""How the line begins that a log has before the traceback of an error which is no user's mistake."""

QUIET_JOBS = "LIGHTSHEET_QUIET_JOBS"
"""Set in the environment of jobs whose logs another process reads and prints: the job of SLURM's in which it runs."""

NO_SLURM_JOB = "none"

_subject: ContextVar[str] = ContextVar("subject", default="")


class PrintableFormatter(logging.Formatter):
    """Escapes what a name of a file could do to a log: no file holds bytes that are not UTF-8."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record, several lines of it too."""
        return escape_lines(super().format(record))


class _Screen(logging.StreamHandler[TextIO]):
    """Lines on the screen, or in a file to which it is redirected, perhaps on a disk that is full."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (its name in `logging`)
        """Pass over an error of the system: there is nowhere else to tell it."""
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)


class _LogFile(logging.FileHandler):
    """A log in a file; the screen, which has the same lines, says once if the file cannot be written any more."""

    _is_cut = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (its name in `logging`)
        """Say an error of the system once, instead of a traceback for each line."""
        error = sys.exception()
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._is_cut:
            self._is_cut = True
            with suppress(OSError):
                print(f"{self.baseFilename}: the log ends here ({error.strerror})", file=sys.stderr)

    def close(self) -> None:
        """Close the file, whatever of it the disk still takes."""
        with suppress(OSError):
            super().close()


def hasten_exit() -> None:
    """Let Python, when this process ends, not look through all objects for cycles once more: 0.1 to 0.3 s."""
    atexit.register(gc.freeze)


def silence_tifffile() -> None:
    """Keep what tifffile logs of damaged files out of this process: a sentence of ours refuses them.

    Called where a command, a job or a worker begins, not upon import: a notebook's loggers are its own.
    """
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)


def is_read_elsewhere() -> bool:
    """Tell whether the process that started this one, on the same machine, prints what is in its log.

    A job that SLURM starts inherits the environment, but has a log of SLURM's, too. Of a run that is a job itself,
    Snakemake's SLURM plugin lets those that it starts beside it forget so.
    """
    run = os.environ.get(QUIET_JOBS)
    return run is not None and os.environ.get("SLURM_JOB_ID", run) == run


@contextmanager
def log_job(path: str | Path) -> Iterator[None]:
    """Log to the screen and to the end of the file `path`; exit with a sentence upon `InputError` or a full disk.

    SIGTERM, which SLURM sends before it kills, ends the process as Ctrl-C does: workers are stopped first.
    """
    hasten_exit()
    silence_tifffile()
    handlers: list[logging.Handler] = [_Screen(sys.stderr)]
    _add_handler(handlers[0])
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        handlers.append(_open_log(Path(path)))
        _add_handler(handlers[1])
        if is_read_elsewhere():
            logger.removeHandler(handlers[0])
        yield
    except InputError as error:
        logger.error("%s", error)
        sys.exit(1)
    except KeyboardInterrupt:
        logger.error("interrupted; what was finished is kept")
        sys.exit(130)
    except Exception as error:
        sentence = describe_disk_error(error) if isinstance(error, OSError) else None
        logger.error("%s", sentence or _name_unexpected(error), exc_info=None if sentence else error)
        sys.exit(1)
    finally:
        signal.signal(signal.SIGTERM, previous)
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()


def _name_unexpected(error: Exception) -> str:
    """Say in a line that a job failed, and of which error."""
    return f"{UNEXPECTED}: {type(error).__name__}: {error}".partition("\n")[0].rstrip(": ")


@contextmanager
def log_rest_of_job(path: str | Path) -> Iterator[None]:
    """Log as `log_job` does what ends a job's process before or after that: a library that is missing, or Ctrl-C.

    Nothing else is logged, and the file is not opened before.
    """
    try:
        yield
    except (Exception, KeyboardInterrupt):
        with log_job(path):
            raise


@contextmanager
def log_on_screen() -> Iterator[None]:
    """Log to the screen alone, outside of a job."""
    handler = _Screen(sys.stderr)
    _add_handler(handler, "%(message)s" if is_read_elsewhere() else LINE)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _open_log(path: Path) -> _LogFile:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _LogFile(path, mode="a", encoding="utf-8")
    except OSError as error:
        sentence = f"{path}: the log cannot be written ({error.strerror})"
        raise InputError(describe_disk_error(error, path) or sentence) from error


def _add_handler(handler: logging.Handler, line: str = LINE) -> None:
    handler.setFormatter(PrintableFormatter(line, "%Y-%m-%d %H:%M:%S"))
    logger.addHandler(handler)


@contextmanager
def name_subject(subject: str) -> Iterator[None]:
    """Begin the lines of each `Progress` that is made in the block, on this thread, with the subject."""
    token = _subject.set(f"{subject}: ")
    try:
        yield
    finally:
        _subject.reset(token)


class Progress:
    """Log how many of the `total` steps of some work are done, at which rate, and how long the rest will take.

    `unit` is what is done in one step, and `pause` the least seconds between two lines. Shorter work logs nothing; the
    last step of longer work is always logged.
    """

    def __init__(self, action: str, total: int, unit: str = "volume", pause: float = 0.0) -> None:
        self.action, self.total, self.unit, self.pause = _subject.get() + action, total, unit, pause
        self.done, self.start = 0, time.monotonic()
        self.last_log = self.start

    def step(self, detail: str) -> None:
        """Count one more step and log it; `detail` says which."""
        self.done += 1
        now = time.monotonic()
        is_last_of_several = self.done == self.total and self.last_log > self.start
        if now - self.last_log < self.pause and not is_last_of_several:
            return
        self.last_log = now
        mean = (now - self.start) / self.done
        rate = f"{mean:.1f} s per {self.unit}" if mean >= 0.1 else f"{1 / max(mean, 1e-6):.0f} {self.unit}s per second"
        left = format_duration(mean * (self.total - self.done))
        logger.info("%s %d/%d: %s (%s, %s left)", self.action, self.done, self.total, detail, rate, left)
