"""What a job tells: the same lines in its log file and on the screen, and one sentence for a user's mistake."""

import logging
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from lightsheet.system.errors import InputError

logger = logging.getLogger("lightsheet")
logger.setLevel(logging.INFO)

NEWS_SECONDS = 30.0
"""Between two lines about what goes fast, or what is only a part of a step."""

_subject: ContextVar[str] = ContextVar("subject", default="")


@contextmanager
def log_job(path: str | Path) -> Iterator[None]:
    """Log to the file `path` and to the screen; end the process, with a sentence upon `InputError`.

    SIGTERM, which SLURM sends before it kills, ends the process as Ctrl-C does: workers are stopped first.

    Parameters
    ----------
    path : str or Path
        The job's log file; an earlier try's lines stay.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    form = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S")
    handlers: list[logging.Handler] = [
        logging.FileHandler(path, mode="a", encoding="utf-8"),
        logging.StreamHandler(sys.stderr),
    ]
    for handler in handlers:
        handler.setFormatter(form)
        logger.addHandler(handler)
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except InputError as error:
        logger.error("%s", error)
        sys.exit(1)
    except KeyboardInterrupt:
        logger.error("interrupted; what was finished is kept")
        sys.exit(130)
    except Exception:
        logger.exception("this job failed")
        sys.exit(1)
    finally:
        signal.signal(signal.SIGTERM, previous)
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()


@contextmanager
def name_subject(subject: str) -> Iterator[None]:
    """Have the progress of all that is done in the block, on this thread, begin with what it is about."""
    token = _subject.set(f"{subject}: ")
    try:
        yield
    finally:
        _subject.reset(token)


class Progress:
    """A line as things get done: how many are, at which rate, and how long the rest will take.

    Parameters
    ----------
    what : str
        What is done to them.
    total : int
        How many there are.
    unit : str
        What one of them is.
    pause : float
        Seconds between two lines, at least, so that what ends sooner is not told at all; the last line of what is told
        is never left out.
    """

    def __init__(self, what: str, total: int, unit: str = "volume", pause: float = 0.0) -> None:
        self.what, self.total, self.unit, self.pause = _subject.get() + what, total, unit, pause
        self.done, self.start = 0, time.monotonic()
        self.told = self.start

    def step(self, detail: str) -> None:
        """Count one more of them and log it.

        Parameters
        ----------
        detail : str
            Which one, and what is worth saying of it.
        """
        self.done += 1
        now = time.monotonic()
        is_last_of_several = self.done == self.total and self.told > self.start
        if now - self.told < self.pause and not is_last_of_several:
            return
        self.told = now
        each = (now - self.start) / self.done
        rate = f"{each:.1f} s per {self.unit}" if each >= 0.1 else f"{1 / max(each, 1e-6):.0f} {self.unit}s per second"
        left = format_duration(each * (self.total - self.done))
        logger.info("%s %d/%d: %s (%s, %s left)", self.what, self.done, self.total, detail, rate, left)


def format_duration(seconds: float) -> str:
    """Say a number of seconds as a person would: `40 s`, `12 min`, `3.5 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def format_size(count: float) -> str:
    """Say a number of bytes as a person would: `316.1 MB`, `188.7 GB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
