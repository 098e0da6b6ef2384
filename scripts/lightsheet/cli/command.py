"""The command line: its parser, its exit codes, and what it refuses.

Each command imports what it needs when it is called, so that `lightsheet --help` answers at once.
"""

import argparse
import logging
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lightsheet.cli.begin import add_init, add_plan, add_simulate
from lightsheet.cli.look import add_export, add_figure, add_view
from lightsheet.cli.prove import add_compare, add_repeat, add_verify
from lightsheet.system import (
    InputError,
    PrintableFormatter,
    check_path,
    escape_lines,
    escape_name,
    find_name_fault,
    silence_tifffile,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out a command line, that of the process unless given, and return its exit code.

    That is 0; 1 for a finding (a volume differs); 2 for wrong use or missing input, told in a sentence on stderr; 130
    after Ctrl-C.
    """
    if argv is None:  # a process of its own, which a cluster or a shell may end
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = vars(build_parser().parse_args(argv))
    name, command = options.pop("name_of_command"), options.pop("command")
    handler = logging.StreamHandler()
    handler.setFormatter(PrintableFormatter("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    silence_tifffile()
    try:
        check_arguments(options.values())
        code: int = command(**options)
    except (InputError, OSError) as error:  # what the system says names the file, too
        print(f"lightsheet {name}: {escape_lines(str(error))}", file=sys.stderr)
        return 2
    except MemoryError:
        print(f"lightsheet {name}: there is not enough memory for a volume", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"lightsheet {name}: interrupted; what was finished is kept", file=sys.stderr)
        return 130
    return code


def check_arguments(values: Iterable[Any]) -> None:
    """Refuse paths and names that no log, table or page can hold."""
    for value in values:
        if isinstance(value, Path):
            check_path(value)
        elif isinstance(value, str) and (fault := find_name_fault(value)):
            raise InputError(f"'{escape_name(value)}': this argument {fault}")
        elif isinstance(value, list | tuple):
            check_arguments(value)


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="lightsheet",
        description="Write a first configuration; look at finished runs of the workflow, check, repeat and copy them; "
        "simulate and plan new ones.",
        epilog="A run itself is started with `snakemake`. `lightsheet COMMAND --help` tells more.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add_options in (
        *(add_init, add_view, add_figure, add_export),
        *(add_compare, add_repeat, add_verify),
        *(add_simulate, add_plan),
    ):
        add_options(commands)
    return parser
