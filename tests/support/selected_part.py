"""A run of a part of its volumes, and what it has stored."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from lightsheet.run.run import Run
from tests.support import tiny_run

REGION = {"z": [1, 5], "y": [3, 17], "x": [5, 21]}
"""Of a volume (6, 20, 24), whose two tiles meet at x = 12."""


def prepare(folder: Path, **select: Any) -> Run:
    return tiny_run.prepare(folder, input={"select": select})


def read(run: Run, level: int = 0) -> np.ndarray:
    return np.asarray(zarr.open_array(run.results.store / str(level), mode="r")[:])


def read_group(store: Path) -> Any:
    return json.loads((store / "zarr.json").read_text())["attributes"]
