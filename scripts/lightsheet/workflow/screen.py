"""Lines on a terminal: those that stay, and below them those that are drawn anew while a run works."""

import os
import re
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TextIO

BAR = 20
"""Characters of a bar."""

END_SECONDS = 2.0
"""How long the last lines of processes are waited for."""


class Screen:
    """A stream to which lines are written; where it is a terminal, the last ones can be replaced."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.live = stream, list[str]()
        self.is_terminal = stream.isatty() and os.environ.get("TERM") != "dumb"

    def write(self, text: str) -> None:
        """Write lines that stay."""
        self._put(self._erase() + f"{text}\n" + self._format())

    def draw(self, lines: Sequence[str]) -> None:
        """Replace the lines below those that stay; a stream that is no terminal never shows them."""
        if self.is_terminal and list(lines) != self.live:
            start = self._erase()
            self.live = list(lines)
            self._put(start + self._format())

    def _erase(self) -> str:
        return f"\x1b[{len(self.live)}A\r\x1b[J" if self.live else ""

    def _format(self) -> str:
        """Return the lines, cut to the terminal's width: one that wraps could not be replaced."""
        width = shutil.get_terminal_size().columns - 1
        return "".join(f"{fit_line(line, width)}\n" for line in self.live)

    def _put(self, text: str) -> None:
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        text = text.encode(encoding, "backslashreplace").decode(encoding)
        with suppress(OSError):  # a full disk, or a terminal that is gone: the run goes on, and its logs say the same
            self.stream.write(text)
            self.stream.flush()


def draw_bar(share: float) -> str:
    """Draw which share, of 1, is done."""
    full = round(max(0.0, min(1.0, share)) * BAR)
    return f"[{'#' * full}{'.' * (BAR - full)}]"


def fit_line(line: str, width: int) -> str:
    """Cut a line to a width; its bar goes first, since the numbers behind it say more."""
    return (re.sub(r"\[#*\.*\] ", "", line, count=1) if len(line) > width else line)[:width]


@contextmanager
def catch_errors(write: Callable[[str], object]) -> Iterator[TextIO]:
    """Hand each line to `write` that processes started in the block write to this one's standard error.

    Yields the real one, which `sys.stderr` is meanwhile. Written there by many processes, the lines would be drawn
    over, and a job that Ctrl-C ends while it starts would leave a traceback.
    """
    _flush(sys.stderr)
    real = os.fdopen(os.dup(2), "w", encoding=sys.stderr.encoding, errors="backslashreplace")
    reading, writing = os.pipe()
    os.dup2(writing, 2)
    os.close(writing)
    before, sys.stderr = sys.stderr, real
    reader = threading.Thread(target=_hand_over, args=(reading, write), daemon=True)
    reader.start()
    try:
        yield real
    finally:
        _flush(real)
        os.dup2(real.fileno(), 2)  # closes the pipe here; processes that stay keep it open
        reader.join(END_SECONDS)
        sys.stderr = before
        with suppress(OSError):
            real.close()


def _flush(stream: TextIO) -> None:
    with suppress(OSError):  # a full disk or a lost terminal, as in `_put`
        stream.flush()


def _hand_over(reading: int, write: Callable[[str], object]) -> None:
    with os.fdopen(reading, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            write(line.rstrip("\n"))
