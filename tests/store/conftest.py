"""What several test files of the store share."""

from pathlib import Path

import pytest

from lightsheet.store import lock as module, lock_takeover


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "results" / "small" / "lock.json"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEW_SECONDS", 0.02)
    for name, seconds in {"WATCH": 0.05, "POLL": 0.02, "HANDOVER": 0.0}.items():
        monkeypatch.setattr(lock_takeover, f"{name}_SECONDS", seconds)
