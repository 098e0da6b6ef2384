"""What several test files of planning share."""

from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for images, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    return Path("images")
