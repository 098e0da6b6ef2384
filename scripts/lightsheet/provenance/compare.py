"""Comparison of a repeated run with the original: by the digests in both provenances, then by the pixels."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lightsheet.provenance.reader import Crate, read_crate
from lightsheet.provenance.software import list_differences
from lightsheet.provenance.verify import TOLERANCE, find_index, measure_relative_l2, read_result
from lightsheet.provenance.volume_table import VolumeRow
from lightsheet.store import shard_path
from lightsheet.system import InputError, Progress, logger


def compare_results(repetition: Path, original: Path) -> list[dict[str, Any]]:
    """Compare every volume of two finished runs; log what differs, in the software too.

    Parameters
    ----------
    repetition, original : Path
        Folders of the runs. Their stores are read only for volumes whose digests differ; of the original, the files of
        the provenance suffice.

    Returns
    -------
    list of dict
        Per volume `channel`, `timepoint`, `same_raw` (made from the same pixels), `identical` (bit for bit),
        `relative_l2` (of the difference; None if a store is not there), and `passed`: the same raw pixels, and that is
        at most `TOLERANCE`.

    Raises
    ------
    InputError
        If a provenance is missing or damaged, or the two have not the same volumes.
    """
    folders = repetition, original
    crates = read_crate(repetition), read_crate(original)
    tables = [{(row["channel"], int(row["timepoint"])): row for row in crate.rows} for crate in crates]
    for first, second in ((0, 1), (1, 0)):
        if surplus := tables[first].keys() - tables[second].keys():
            channel, t = min(surplus)
            raise InputError(
                f"{folders[first]} has {len(surplus)} volumes that {folders[second]} has not, such as {channel} t{t}"
            )
    for difference in list_differences(crates[0].software, crates[1].software):
        logger.info("%s", difference)
    progress, outcomes = Progress("compare", len(tables[0]), pause=10.0), []
    for (channel, t), row in tables[0].items():
        rows = row, tables[1][channel, t]
        outcomes.append(_compare_volumes(crates, rows))
        if not outcomes[-1]["identical"] or not outcomes[-1]["same_raw"]:
            logger.warning("%s", _describe_outcome(outcomes[-1], *rows))
        progress.step(f"{channel} t{t}")
    identical = sum(outcome["identical"] and outcome["same_raw"] for outcome in outcomes)
    agreements = sum(outcome["passed"] for outcome in outcomes)
    logger.info("%d of %d volumes are the same, bit for bit", identical, len(outcomes))
    if agreements > identical:
        logger.info("%d more agree within %g", agreements - identical, TOLERANCE)
    return outcomes


def _compare_volumes(crates: tuple[Crate, Crate], rows: tuple[VolumeRow, VolumeRow]) -> dict[str, Any]:
    row, original = rows
    # The shards of the same pixels differ with the codec, and may not be kept; then the same files and pages tell it.
    has_same_shard = bool(row["raw_blake3"]) and row["raw_blake3"] == original["raw_blake3"]
    same_raw = has_same_shard or all(
        row.get(name, "") == original.get(name, "") for name in ("sources_blake3", "tiles", "pages", "region")
    )
    identical, distance = _measure_difference(crates, rows)
    return {
        "channel": row["channel"],
        "timepoint": int(row["timepoint"]),
        "same_raw": same_raw,
        "identical": identical,
        "relative_l2": distance,
        "passed": same_raw and distance is not None and distance <= TOLERANCE,
    }


def _measure_difference(crates: tuple[Crate, Crate], rows: tuple[VolumeRow, VolumeRow]) -> tuple[bool, float | None]:
    """Tell whether a volume has the same bits, and the relative L2 of the difference; None if that is not known."""
    if rows[0]["result_blake3"] == rows[1]["result_blake3"]:
        return True, 0.0
    pairs = list(zip(crates, rows, strict=True))
    if not all(shard_path(crate.store, 0, find_index(row)).exists() for crate, row in pairs):
        return False, None
    repetition, original = (read_result(crate, row) for crate, row in pairs)
    if repetition.shape != original.shape:
        return False, math.inf
    # Equal pixels may be encoded in several ways; NaN marks a hole.
    identical = np.array_equal(repetition, original, equal_nan=True)
    return identical, 0.0 if identical else measure_relative_l2(repetition, original, _find_bits(rows))


def _find_bits(rows: tuple[VolumeRow, VolumeRow]) -> int | None:
    """Return to how many bits both volumes were rounded; None if they were not, or not alike."""
    bits, before = (json.loads(row["settings"]).get("precision") for row in rows)
    return bits if bits == before else None


def _describe_outcome(outcome: Mapping[str, Any], row: VolumeRow, original: VolumeRow) -> str:
    """Say what is not the same about a volume."""
    reasons = [] if outcome["same_raw"] else ["made from other raw pixels"]
    settings, before = json.loads(row["settings"]), json.loads(original["settings"])
    reasons += [
        f"{key} {settings.get(key)}, there {before.get(key)}"
        for key in {**before, **settings}
        if settings.get(key) != before.get(key)
    ]
    if row["block"] != original["block"]:
        reasons.append(f"computed in blocks of {row['block']}, there {original['block']}")
    distance = "not the same bits, and a store to compare is not there"
    if outcome["relative_l2"] is not None:
        distance = f"relative L2 {outcome['relative_l2']:.1e}"
    verdict = f"within {TOLERANCE:g}" if outcome["passed"] else "DIFFERS"
    return "; ".join([f"{outcome['channel']} t{outcome['timepoint']}: {verdict}, {distance}", *reasons])
