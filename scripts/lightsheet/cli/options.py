"""What the commands have in common: how one is added to the parser, and numbers are read."""

import argparse
from collections.abc import Callable
from typing import Any


def add_command(commands: Any, command: Callable[..., int], epilog: str | None = None) -> Callable[..., Any]:
    """Add the command that a function carries out, described by its docstring; return what adds its options."""
    name, text = command.__name__, command.__doc__
    layout = argparse.RawDescriptionHelpFormatter
    parser = commands.add_parser(name, help=text, description=text, epilog=epilog, formatter_class=layout)
    parser.set_defaults(command=command, name_of_command=name)
    add: Callable[..., Any] = parser.add_argument
    return add


def read_positive(text: str) -> int:
    """Read a number that is at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def read_auto_or_positive(text: str) -> int | str:
    """Read `auto`, or a number that is at least 1."""
    return text if text == "auto" else read_positive(text)
