"""What several test files share."""

from pathlib import Path

import pytest
from hypothesis import settings

from tests.reference_data import DATA

settings.register_profile("noisy machine", deadline=None)  # no example is timed: machines stall
settings.load_profile("noisy machine")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Third-party images that are no part of the project."""
    if not (DATA / "README.md").exists():
        pytest.skip(f"no reference data at {DATA}: set LIGHTSHEET_DATA")
    return DATA.resolve()
