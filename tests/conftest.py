"""What several test files share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("noisy machine", deadline=None)  # no example is timed: machines stall
settings.load_profile("noisy machine")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Third-party images that are no part of the project."""
    folder = Path(os.environ.get("LIGHTSHEET_DATA", Path(__file__).parents[1] / ".." / "shared" / "data")).resolve()
    if not (folder / "README.md").exists():
        pytest.skip(f"no reference data at {folder}: set LIGHTSHEET_DATA")
    return folder
