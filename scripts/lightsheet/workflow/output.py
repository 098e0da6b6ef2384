"""The output of a run in place of Snakemake's own, and a thread that looks after its jobs.

With `--verbose`, `--quiet` or a plugin that writes to the terminal, Snakemake's own output stays.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError  # type: ignore[import-untyped]
from snakemake.logging import logger  # type: ignore[import-untyped]

from lightsheet.system import NO_SLURM_JOB, QUIET_JOBS, is_snakemake_command
from lightsheet.workflow.screen import Screen, catch_errors
from lightsheet.workflow.terminal import CHECKOUT, Terminal

REPLACED = "DefaultStreamHandler"
"""The name that Snakemake gives its own handler."""

REDRAW_SECONDS, LOOK_SECONDS = 0.5, 2.0
"""Pause between two looks at jobs' logs, on a terminal and elsewhere: a cluster's file server has to read them all."""

PLAIN_SECONDS = 30.0
"""Pause between two lines about jobs that work, where lines cannot be replaced."""

FAILED = "At least one job did not complete successfully."
"""An error of Snakemake that adds nothing to them."""


@contextmanager
def print_run(workflow: Any, describe: Callable[[], Sequence[str]], *, is_dry: bool) -> Iterator[None]:
    """Print the run of the block in place of Snakemake's own output, unless that was asked for.

    `describe` returns lines about what there is when nothing is to be done. Jobs on this machine write to their logs
    alone meanwhile.
    """
    replaced = [handler for handler in logger.handlers if handler.name == REPLACED]
    if not replaced or sys.stdout is None or sys.stderr is None or _keeps_output(workflow):
        yield
        return
    with ExitStack() as stack:
        terminal = Terminal(workflow, describe, is_dry=is_dry)
        stream = sys.stdout if is_dry else stack.enter_context(catch_errors(terminal.tell_line))
        terminal.screen = Screen(stream)
        stack.enter_context(_watch(terminal))
        logger.removeHandler(replaced[0])
        logger.addHandler(terminal)
        os.environ[QUIET_JOBS] = os.environ.get("SLURM_JOB_ID", NO_SLURM_JOB)
        interrupt = signal.getsignal(signal.SIGINT)
        try:
            yield
        except WorkflowError as error:
            terminal.is_explained |= str(error).strip() == FAILED
            raise
        finally:
            if terminal.is_stopping and threading.current_thread() is threading.main_thread():
                # One more Ctrl-C would print a traceback while the process ends.
                signal.signal(signal.SIGINT, signal.SIG_IGN if is_snakemake_command() else interrupt)
            del os.environ[QUIET_JOBS]
            logger.removeHandler(terminal)
            if not (terminal.is_stopping or terminal.is_explained):
                logger.addHandler(replaced[0])


@contextmanager
def _watch(terminal: Terminal) -> Iterator[None]:
    """Look after the jobs in a thread of its own."""
    end, pause = threading.Event(), REDRAW_SECONDS if terminal.screen.is_terminal else LOOK_SECONDS

    def watch() -> None:
        rounds = 0
        while not end.wait(pause):
            terminal.look()
            rounds += 1
            if rounds % round(PLAIN_SECONDS / pause) == 0:
                terminal.tell_progress()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
        terminal.screen.draw([])


def _keeps_output(workflow: Any) -> bool:
    """Tell whether Snakemake's own output is asked for, or another workflow has this one as a module."""
    settings = workflow.output_settings
    is_module = Path(str(workflow.main_snakefile)).resolve() != CHECKOUT / "Snakefile"
    return bool(settings.verbose or settings.quiet or is_module)
