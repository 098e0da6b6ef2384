"""What several test files of the workflow share."""

from pathlib import Path

import pytest

from lightsheet.store import RUNS, Results


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    """A results folder in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(RUNS, raising=False)
    return Results(Path("results/a"))
