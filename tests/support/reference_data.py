"""Where third-party images lie, which are no part of the project; what needs them skips where they are absent."""

import os
from pathlib import Path

DATA = Path(os.environ.get("LIGHTSHEET_DATA", Path(__file__).parents[3] / "shared" / "data"))
