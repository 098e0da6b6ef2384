"""Provenance that is damaged for a while, and the commands that read it."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck

from lightsheet import cli
from lightsheet.run.run import Run
from lightsheet.store.paths import CONFIG_FILE, REQUIREMENTS_FILE, VOLUMES_FILE
from tests.support import examples

CRATE = "ro-crate-metadata.json"

FILES = (CRATE, CONFIG_FILE, VOLUMES_FILE, REQUIREMENTS_FILE)

FUZZ = examples.take(0.25, HealthCheck.function_scoped_fixture)

COMMANDS = ("repeat", "verify", "compare")


@contextmanager
def restore(folder: Path) -> Iterator[None]:
    true = {name: (folder / name).read_bytes() for name in FILES}
    try:
        yield
    finally:
        for name, content in true.items():
            (folder / name).write_bytes(content)


def forge(folder: Path, name: str, content: bytes) -> None:
    """Replace a file, and make the crate's digest fit."""
    (folder / name).write_bytes(content)
    described = json.loads((folder / CRATE).read_text())
    for entity in described["@graph"]:
        if entity["@id"] == name:
            entity["sha256"] = hashlib.sha256(content).hexdigest()
    (folder / CRATE).write_text(json.dumps(described))


def call_command(command: str, run: Run, original: Path) -> int:
    folder = str(run.results.folder)
    arguments = {
        "repeat": [folder, str(run.acquisition.folder)],
        "verify": [folder, "--volumes", "1", "--threads", "1", "--seed", "0"],
        "compare": [folder, str(original)],
    }
    return cli.main([command, *arguments[command]])


def refuse(command: str, run: Run, original: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Demand a sentence and code 2; return the sentence."""
    assert call_command(command, run, original) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"lightsheet {command}: ")
    assert "Traceback" not in captured.err
    return captured.err
