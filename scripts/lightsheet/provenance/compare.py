"""Comparison of a repeated run with the one that it repeats: by the digests in both provenances, then by the pixels."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lightsheet.provenance.reader import Crate, VolumeRow, read_crate
from lightsheet.provenance.software import list_differences
from lightsheet.provenance.verify import TOLERANCE, measure_relative_l2, read_published_volume
from lightsheet.store import shard_path
from lightsheet.system import InputError, Progress, logger

NEWS_SECONDS = 10.0
"""Between two lines in the log."""


def compare_results(here: Path, there: Path) -> list[dict[str, Any]]:
    """Compare every volume of two results; log what differs, in the software too.

    Parameters
    ----------
    here, there : Path
        Folders of finished runs. Their stores are read only for volumes whose digests differ; of `there`, the files of
        the provenance suffice.

    Returns
    -------
    list of dict
        Per volume `channel`, `timepoint`, `same_raw` (made from the same pixels), `identical` (bit for bit),
        `relative_l2` (of the difference; None if a store is not there), and `passed`: the same raw pixels, and that is
        at most `verification.TOLERANCE`.

    Raises
    ------
    InputError
        If a provenance is missing or not whole, the two have not the same volumes, or a store is damaged.
    """
    crates = read_crate(here), read_crate(there)
    mine, theirs = ({(row["channel"], int(row["timepoint"])): row for row in each.rows} for each in crates)
    for place, other, only in ((here, there, mine.keys() - theirs.keys()), (there, here, theirs.keys() - mine.keys())):
        if only:
            channel, t = min(only)
            raise InputError(f"{place} has {len(only)} volumes that {other} has not, such as {channel} t{t}")
    for difference in list_differences(crates[0].software, crates[1].software):
        logger.info("%s", difference)
    progress, outcomes = Progress("compare", len(mine), "volume", NEWS_SECONDS), []
    for key in mine:
        outcomes.append(_compare(crates, mine[key], theirs[key]))
        if not outcomes[-1]["identical"] or not outcomes[-1]["same_raw"]:
            logger.warning("%s", _line(outcomes[-1], mine[key], theirs[key]))
        progress.step(f"{key[0]} t{key[1]}")
    same = sum(outcome["identical"] and outcome["same_raw"] for outcome in outcomes)
    passed = sum(outcome["passed"] for outcome in outcomes)
    logger.info("%d of %d volumes are the same, bit for bit", same, len(outcomes))
    if passed > same:
        logger.info("%d more agree within %g", passed - same, TOLERANCE)
    return outcomes


def _compare(crates: tuple[Crate, Crate], mine: VolumeRow, theirs: VolumeRow) -> dict[str, Any]:
    alike = [name for name in ("raw_blake3", "sources_blake3", "tiles", "pages") if mine[name] == theirs[name]]
    same_raw = "raw_blake3" in alike or len(alike) == 3
    identical, distance = _distance(crates, (mine, theirs))
    return {
        "channel": mine["channel"],
        "timepoint": int(mine["timepoint"]),
        "same_raw": same_raw,
        "identical": identical,
        "relative_l2": distance,
        "passed": same_raw and distance is not None and distance <= TOLERANCE,
    }


def _distance(crates: tuple[Crate, Crate], rows: tuple[VolumeRow, VolumeRow]) -> tuple[bool, float | None]:
    """Tell whether a volume has the same bits, and the relative L2 of the difference; None if that is not known."""
    if rows[0]["result_blake3"] == rows[1]["result_blake3"]:
        return True, 0.0
    places = [(int(row["timepoint"]), int(row["channel_index"])) for row in rows]
    stores = [each.store for each in crates]
    if not all(shard_path(store, 0, place).exists() for store, place in zip(stores, places, strict=True)):
        return False, None
    made, stored = (
        read_published_volume(store, place, row["result_blake3"])
        for store, place, row in zip(stores, places, rows, strict=True)
    )
    if made.shape != stored.shape:
        return False, math.inf
    # Equal pixels may be encoded in several ways; NaN marks a hole.
    identical = np.array_equal(made, stored, equal_nan=True)
    return identical, 0.0 if identical else measure_relative_l2(made, stored)


def _line(outcome: Mapping[str, Any], mine: VolumeRow, theirs: VolumeRow) -> str:
    """Say what is not the same about a volume."""
    reasons = [] if outcome["same_raw"] else ["made from other raw pixels"]
    ours, others = (json.loads(row["settings"]) for row in (mine, theirs))
    reasons += [f"{key} {ours.get(key)}, there {others.get(key)}" for key in others if ours.get(key) != others[key]]
    if mine["block"] != theirs["block"]:
        reasons.append(f"computed in blocks of {mine['block']}, there {theirs['block']}")
    distance = "not the same bits, and a store to compare is not there"
    if outcome["relative_l2"] is not None:
        distance = f"relative L2 {outcome['relative_l2']:.1e}"
    verdict = f"within {TOLERANCE:g}" if outcome["passed"] else "DIFFERS"
    return f"{outcome['channel']} t{outcome['timepoint']}: {verdict}, {distance}" + "".join(f"; {r}" for r in reasons)
