"""What several test files of planning share."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for images, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    return Path("images")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep which jobqueue.yaml the command chooses from the tests that follow in this process."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
