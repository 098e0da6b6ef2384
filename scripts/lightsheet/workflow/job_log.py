"""What a job's own log says while it works: lines that matter to a person, and how far it is."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

LINE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (INFO|NOTICE|WARNING|ERROR) (.*)", re.DOTALL)
"""A line of `log_job`; lines without a time continue the one before."""

COUNT = re.compile(r"^(.*?) (\d+)/(\d+): .*\(((?:\d+ (\w+)s per second|.+ per (\w+)), .+ left)\)$", re.DOTALL)
"""The end of a line of `Progress`: steps that are done, all of them, and at which rate."""


class Line(NamedTuple):
    """A line of a log, and what continues it."""

    level: str  # INFO, NOTICE, WARNING or ERROR
    text: str

    @property
    def is_progress(self) -> bool:
        """Whether it says how far the job is, which a bar shows."""
        return bool(COUNT.search(self.text))


class Count(NamedTuple):
    """How many steps a job has done, of how many, and at which rate, as it says."""

    done: int
    total: int
    rate: str
    unit: str  # volume, shard
    action: str  # such as `deconvolve`, or `iterations: auto`


class _End(NamedTuple):
    """Up to which byte a log was read, and what is written before that byte."""

    place: int
    text: bytes


NO_END = _End(0, b"")

END_BYTES = 200
"""Last bytes of a log, by which one that goes on is told from one that was made anew."""


class JobLog:
    """The logs of one job, read as they grow, from where they ended before it began; or anew, if they are made anew."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = list(paths)
        self.ends = {Path(path): _read_on(Path(path), NO_END)[1] for path in paths}
        self.count: Count | None = None
        self.latest = ""
        self.has_error = False

    def read_news(self) -> list[Line]:
        """Return the lines that are whole and were not read before."""
        lines = []
        for path, end in self.ends.items():
            text, self.ends[path] = _read_on(path, end)
            lines += parse_lines(text)
        for line in lines:
            self._note(line)
        return lines

    def _note(self, line: Line) -> None:
        self.has_error |= line.level == "ERROR"
        if line.level == "INFO":
            self.latest = line.text.partition("\n")[0]
            if match := COUNT.search(line.text):
                self.count = Count(int(match[2]), int(match[3]), match[4], match[5] or match[6], match[1])


def parse_lines(text: str) -> list[Line]:
    """Parse what `log_job` has written: each line with those that continue it, a traceback left out."""
    lines: list[Line] = []
    is_traceback = False
    for row in text.splitlines():
        if match := LINE.match(row):
            is_traceback = False
            lines.append(Line(match[1], match[2]))
        elif row.startswith("Traceback "):
            is_traceback = True
        elif lines and not is_traceback:
            lines[-1] = lines[-1]._replace(text=f"{lines[-1].text}\n{row}")
    return lines


def _read_on(path: Path, end: _End) -> tuple[str, _End]:
    """Read the whole lines of a log from an end on, or all if it was made anew; return them and the new end.

    Nothing is read of a log that is not made yet, or whose disk does not answer.
    """
    try:
        with path.open("rb") as file:
            file.seek(end.place - len(end.text))
            if file.read(len(end.text)) != end.text:
                end = NO_END
            file.seek(end.place)
            text = file.read()
    except OSError:
        return "", end
    whole = text[: text.rfind(b"\n") + 1]
    if whole:
        end = _End(end.place + len(whole), whole[-END_BYTES:])
    return whole.decode("utf-8", errors="replace"), end
