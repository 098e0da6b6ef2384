"""Records as Snakemake logs them, handed to a terminal that keeps what it prints."""

import io
import logging
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from snakemake_interface_logger_plugins.common import LogEvent

from lightsheet.workflow import terminal
from lightsheet.workflow.screen import Screen
from lightsheet.workflow.terminal import Terminal

LOG_LINE = "2026-11-29 11:43:21 {}\n"

START_FILE = str(Path(terminal.__file__).with_name("start.py"))


def make(stream: io.StringIO | None = None, *, is_dry: bool = False, targets: tuple[str, ...] = ()) -> Terminal:
    rules = [SimpleNamespace(name=name) for name in targets]
    names = {"forcefiles": set(), "targetrules": rules, "needrun_jobs": None}
    handler = Terminal(SimpleNamespace(dag=SimpleNamespace(**names)), lambda: ["what there is"], is_dry=is_dry)
    handler.screen = Screen(stream or io.StringIO())
    return handler


def send(
    handler: Terminal, message: str | None = None, *, level: int = logging.INFO, path: str = "api.py", **fields: Any
) -> None:
    record = logging.LogRecord("snakemake", level, path, 1, message, None, None)
    record.__dict__.update(fields)
    handler.handle(record)


def plan(handler: Terminal, **jobs: int) -> None:
    send(handler, "table", event=LogEvent.RUN_INFO, stats={**jobs, "all": 1, "total": 1 + sum(jobs.values())})


def begin(handler: Terminal, number: int, rule: str, log: Path) -> None:
    send(handler, "x", event=LogEvent.JOB_INFO, jobid=number, rule_name=rule, log=[str(log)])


def fail(handler: Terminal, number: int, rule: str, logs: Sequence[Any], message: str | None = None) -> None:
    fields = {"event": LogEvent.JOB_ERROR, "jobid": number, "rule_name": rule, "log": logs, "rule_msg": message}
    send(handler, "x", level=logging.ERROR, **fields)


def read(handler: Terminal) -> str:
    stream = handler.screen.stream
    assert isinstance(stream, io.StringIO)
    return stream.getvalue()
