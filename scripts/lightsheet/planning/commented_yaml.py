"""Configuration files as a person would write them: each key with a comment above it that says where it is from."""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml

WIDTH = 110

GUESS = "A guess: "
"""How the comment on a value begins that is to be checked."""


class Line(NamedTuple):
    """A value, or a section of further lines, with sentences on it."""

    value: Any
    comments: tuple[str, ...] = ()


def write_yaml(lines: Mapping[str, Line], indent: str = "") -> Iterator[str]:
    """Yield the lines of a file; comments that several keys in a row have stand above the first."""
    last: tuple[str, ...] = ()
    for name, (value, comments) in lines.items():
        for comment in comments if comments != last else ():
            yield from textwrap.wrap(
                comment,
                WIDTH,
                initial_indent=f"{indent}# ",
                subsequent_indent=f"{indent}#   ",
                break_long_words=False,
                break_on_hyphens=False,
            )
        if isinstance(value, Mapping) and any(map(_is_line, value.values())):
            yield f"{indent}{_write(name)}:"
            yield from write_yaml(value, f"{indent}  ")
        else:
            yield f"{indent}{_write(name)}: {_write(value)}"
        last = comments
        if not indent:
            yield ""


def read_values(lines: Mapping[str, Line]) -> dict[str, Any]:
    """Return the configuration without its comments."""
    return {
        name: read_values(value) if isinstance(value, Mapping) and any(map(_is_line, value.values())) else value
        for name, (value, _) in lines.items()
    }


def walk_lines(
    lines: Mapping[str, Line], key: str = "", inherited: tuple[str, ...] = ()
) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    """Yield each key with its value and its comments, or else those of its section."""
    for name, (value, comments) in lines.items():
        path = f"{key}.{name}" if key else name
        yield path, value, comments or inherited
        if isinstance(value, Mapping):
            yield from walk_lines({k: item for k, item in value.items() if _is_line(item)}, path, comments)


def _is_line(value: Any) -> bool:
    return isinstance(value, Line)


def _write(value: Any) -> str:
    """Write a value on one line; text without quotes where it is read as the same without."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_write(name)}: {_write(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_write, value))}]"
    if isinstance(value, str) and re.fullmatch(r"[\w./][\w./ -]*(?<! )", value) and yaml.safe_load(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)
