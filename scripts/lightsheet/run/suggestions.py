"""What a mistyped name probably means."""

import difflib
from collections.abc import Iterable
from typing import Any


def suggest(name: str, choices: Iterable[Any]) -> str:
    """Ask whether a mistyped name means the choice most like it."""
    matches = difflib.get_close_matches(name, [str(choice) for choice in choices], n=1)
    return f"; did you mean {matches[0]}?" if matches else ""
