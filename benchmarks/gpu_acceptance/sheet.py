"""The results of one part, on the disk as soon as they are known."""

import json
import math
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Sheet:
    """Values, and checks that prove or refute something; the file is whole after each of them."""

    def __init__(self, path: Path, part: str, stand_in: bool) -> None:
        self.path = path
        self.content: dict[str, Any] = {"part": part, "stand_in": stand_in, "values": {}, "checks": []}
        self._begin = time.perf_counter()
        self._write()

    def put(self, name: str, value: Any) -> None:
        """Keep a value."""
        self.content["values"][name] = value
        self._write()

    def attempt(self, name: str, measure: Callable[..., Any], *arguments: Any) -> Any:
        """Keep what a function returns, or how it failed; return it, or None. What follows is measured all the same."""
        try:
            value = measure(*arguments)
        except Exception as error:
            value = None
            self.put(
                name, {"failed": f"{type(error).__name__}: {error}", "where": traceback.format_exc().splitlines()[-8:]}
            )
        else:
            self.put(name, value)
        return value

    def check(self, name: str, passed: bool, detail: str) -> None:
        """Keep whether something holds that the engine promises."""
        self.content["checks"].append({"name": name, "passed": bool(passed), "detail": detail})
        self._write()

    def try_check(self, name: str, probe: Callable[..., tuple[bool, str]], *arguments: Any) -> None:
        """Check what a function finds out; one that fails proves nothing, so that the check fails too."""
        try:
            self.check(name, *probe(*arguments))
        except Exception as error:
            self.check(name, False, f"the probe failed: {type(error).__name__}: {error}")
            self.put(f"{name}, traceback", traceback.format_exc().splitlines()[-8:])

    def end(self) -> None:
        """Say that the part came to its end."""
        self.content["ended"] = "whole"
        self._write()

    def _write(self) -> None:
        self.content["seconds"] = round(time.perf_counter() - self._begin, 1)
        write_json(self.path, self.content)


def write_json(path: Path, content: Any) -> None:
    """Write a file that is whole at any time; what JSON has no number for becomes text."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(_clean(content), indent=1) + "\n")
    new.replace(path)


def read_sheets(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the parts' contents, by name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _clean(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else str(value)
    return value.item() if hasattr(value, "item") else value
