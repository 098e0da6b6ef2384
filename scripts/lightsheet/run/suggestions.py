"""What a mistyped name probably means."""

import difflib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any


def suggest_file(*paths: Path) -> str:
    """Ask whether a file that is not there means one that lies where one of the paths points to."""
    for path in paths:
        with suppress(OSError):
            if hint := suggest(path.name, sorted(entry.name for entry in path.parent.iterdir())):
                return hint
    return ""


def suggest(name: str, choices: Iterable[Any]) -> str:
    """Ask whether a mistyped name means the choice most like it."""
    matches = difflib.get_close_matches(name, [str(choice) for choice in choices], n=1)
    return f"; did you mean {matches[0]}?" if matches else ""
