"""`background: auto`: the camera's offset, one for all timepoints of a channel."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lightsheet.processing.camera import estimate_background


def choose_background(planes: Mapping[int, np.ndarray], dtype: str) -> dict[str, Any]:  # noqa: ARG001 (soon)
    """Choose the camera's offset from planes (z, y, x) of several timepoints.

    `value`: counts, None if it cannot be told; `problem`: then why; `timepoints`: what each of them says.
    """
    estimates = {t: estimate_background(pixels) for t, pixels in planes.items()}
    value = float(f"{min(estimates.values()):.6g}")
    return {"value": value, "problem": "", "timepoints": {str(t): round(v, 3) for t, v in estimates.items()}}
