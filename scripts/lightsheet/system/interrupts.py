"""Ctrl-C while Snakemake is about to begin or to end, where it has nothing to stop: no traceback."""

import sys
from pathlib import Path
from types import TracebackType

INTERRUPTED = "Interrupted: what was finished is kept. The same command goes on from here."


def is_snakemake_command() -> bool:
    """Tell whether this process is `snakemake` or `python -m snakemake`, and so ends with the run."""
    return "snakemake" in Path(sys.argv[0]).parts[-2:]


def say_interrupts() -> None:
    """Let this process, if it is Snakemake's command, say in a sentence that Ctrl-C has ended it."""
    if not is_snakemake_command():
        return
    show = sys.excepthook

    def show_or_say(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            print(f"\n{INTERRUPTED}", file=sys.stderr)
        else:
            show(kind, error, trace)

    sys.excepthook = show_or_say
