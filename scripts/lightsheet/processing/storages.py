"""The ways in which a result may be stored, as a pilot proposes them: in full, rounded, in whole numbers."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lightsheet.processing.camera import convert_result
from lightsheet.processing.rounding import choose_scale, choose_whole_bits, round_result
from lightsheet.processing.statistics import measure_rounding
from lightsheet.store import ALL_BITS

FULL = {"dtype": "float32", "scale": 1}
"""As results are stored unless a configuration says otherwise."""


def list_storages(fineness: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """List the ways to store a channel's results by name, `full`, `precision` and `uint16`: the settings of each.

    Parameters
    ----------
    fineness : mapping, from `describe_fineness`; None of a dark channel
    """
    if not fineness:
        return {
            "full": FULL,
            "precision": {**FULL, "precision": ALL_BITS["float32"]},
            "uint16": {**FULL, "dtype": "uint16"},
        }
    scale = choose_scale(fineness["brightest"])
    bits = choose_whole_bits(fineness["brightest"], fineness["step"], scale)
    return {
        "full": FULL,
        "precision": {**FULL, "precision": fineness["bits"]},
        "uint16": {"dtype": "uint16", "scale": scale, **({"precision": bits} if bits < ALL_BITS["uint16"] else {})},
    }


def name_storage(output: Mapping[str, Any]) -> str:
    """Name the way to store results that a configuration, or settings, ask for, as `list_storages` does."""
    if output.get("dtype") == "uint16":
        return "uint16"
    return "full" if output.get("precision", "full") == "full" else "precision"


def close_storage(settings: Mapping[str, Any], fineness: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return settings with numbers for a scale and a precision that are auto."""
    storages = list_storages(fineness)
    if settings["scale"] == "auto":
        return {**settings, **storages["uint16"], **({"precision": p} if (p := settings.get("precision")) else {})}
    return {**settings, **(storages["precision"] if settings.get("precision") == "auto" else {})}


def store_as(result: np.ndarray, storage: Mapping[str, Any], threads: int) -> tuple[np.ndarray, float]:
    """Convert a result (z, y, x), float32, for a way to store it; return also the relative L2 by which that changes it.

    Of floats the result itself is changed.
    """
    stored, _ = convert_result(result, storage["dtype"], storage["scale"])
    bits = storage.get("precision")
    error = round_result(stored, bits, threads) if bits else 0.0
    return stored, error if stored is result else measure_rounding(result, stored, storage["scale"])
