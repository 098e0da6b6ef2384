"""Verification: volumes made again from the provenance alone, and compared with what the stores hold.

Nothing of `records/` and `work/` is read: only the crate, what it names as inputs, and the published stores.
"""

import csv
import io
import json
import logging
import math
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
import yaml
import zarr

from lightsheet import files, ingestion, mosaic, psf_preparation, restoration, tiff
from lightsheet.errors import InputError
from lightsheet.log import logger
from lightsheet.results import CONFIG, VOLUMES, Results
from lightsheet.store import shard_path

TOLERANCE = 1e-5
"""Relative L2 by which engines, or versions of their libraries, may differ."""

RESTORE = "put the original back to verify this result, or run the workflow again to use the file as it is"
REMAKE = "remove what is there and run the workflow again to make it anew"
REWRITE = "remove ro-crate-metadata.json and run the workflow again to write the provenance anew"

Row = dict[str, str]
"""One volume as `provenance/volumes.csv` describes it."""


@dataclass(frozen=True)
class _Provenance:
    results: Results
    digests: Mapping[str, str]  # SHA-256 by the identifier of an input or output
    config: Mapping[str, Any]
    rows: list[Row]


def verify(folder: Path, volumes: int, threads: int, seed: int | None = None) -> list[dict[str, Any]]:
    """Make randomly chosen volumes again and compare them with the published ones; log a line for each.

    Parameters
    ----------
    folder : Path
        `results/NAME` of a finished run.
    volumes : int
        How many to choose, at least 1; all of them if there are no more.
    threads : int
        Cores to use.
    seed : int, optional
        The same seed chooses the same volumes.

    Returns
    -------
    list of dict
        Per volume `channel`, `timepoint`, `identical` (bit for bit), `relative_l2` (of the difference, where
        integers may also differ by the one count that rounding turns), and `passed`: that is at most `TOLERANCE`.

    Raises
    ------
    InputError
        If the provenance is missing, or a file is missing or not the one that it names, so that the comparison
        cannot be made; or if a raw store does not hold the pixels of its TIFF files.
    """
    if volumes < 1:
        raise InputError(f"volumes: {volumes} is too few to verify; give 1 or more")
    provenance = _read(folder)
    recorded = [row for row in provenance.rows if not row["missing"]]
    rows = random.Random(seed).sample(recorded, min(volumes, len(recorded)))
    rows.sort(key=lambda row: (int(row["timepoint"]), int(row["channel_index"])))
    return [_verify(provenance, row, threads) for row in rows]


def _read(folder: Path) -> _Provenance:
    results = Results(folder.absolute())  # a folder's name is the run's name, and `.` has none
    crate = files.read_json(results.crate)
    if crate is None:
        raise InputError(
            f"{folder / results.crate.name}: there is no provenance here; name the folder of a finished run, such as "
            "results/demo, or run the workflow to its end"
        )
    digests = {entity["@id"]: entity["sha256"] for entity in crate.get("@graph", []) if "sha256" in entity}
    config, table = (_text(results.folder / name, digests.get(name, "")) for name in (CONFIG, VOLUMES))
    return _Provenance(results, digests, yaml.safe_load(config), list(csv.DictReader(io.StringIO(table))))


def _text(path: Path, digest: str) -> str:
    _check(path, digest, REWRITE)
    return path.read_text(encoding="utf-8")


def _check(path: Path, expected: str, remedy: str, digest: Callable[[Path], str] = files.sha256) -> None:
    """Refuse a file that is missing or not the one that the provenance speaks of."""
    if not path.is_file():
        raise InputError(f"{path} is missing, but the provenance names it; {remedy}")
    if digest(path) != expected:
        raise InputError(f"{path} is not the file that the provenance names, its digest differs; {remedy}")


def _verify(provenance: _Provenance, row: Row, threads: int) -> dict[str, Any]:
    channel, t = row["channel"], int(row["timepoint"])
    raw = _assemble(provenance, row)
    prepared = _psf(provenance, row["psf"])
    block = [int(size) for size in row["block"].split()]
    made, _ = restoration.compute(raw, prepared, json.loads(row["settings"]), threads, block)
    stored = _stored(provenance.results.store, (t, int(row["channel_index"])), row["result_blake3"])
    identical = bool(np.array_equal(made, stored))
    distance = 0.0 if identical else relative_l2(made, stored)
    outcome = {
        "channel": channel,
        "timepoint": t,
        "identical": identical,
        "relative_l2": distance,
        "passed": distance <= TOLERANCE,
    }
    logger.log(*_line(outcome))
    return outcome


def _assemble(provenance: _Provenance, row: Row) -> np.ndarray:
    """Read a volume from its TIFF files, and prove that the raw store holds the same pixels."""
    tiles = _tiles(row)
    pieces = mosaic.pieces_of(tiles)
    for (path, pages), expected in zip(pieces, row["sources_blake3"].split(), strict=True):
        _check(Path(path), expected, RESTORE, partial(ingestion.digest, pages=pages))
    index = (int(row["timepoint"]),)
    store = provenance.results.raw_store(row["channel"])
    stored = _stored(store, index, row["raw_blake3"])
    with mosaic.opened(tiles, stored.shape, stored.dtype.name) as volume:
        raw = volume[:, :]
    if not np.array_equal(raw, stored):
        raise InputError(
            f"{shard_path(store, 0, index)} does not hold the pixels of {', '.join(path for path, _ in pieces)}; "
            f"remove {provenance.results.record('raw', row['channel'], *index)} and run the workflow again"
        )
    return raw


def _tiles(row: Row) -> mosaic.Tiles:
    """Return what a volume is made of, as `mosaic.opened` wants it."""
    tiles: dict[tuple[int, ...], list[tuple[str, mosaic.PageRange]]] = {}
    for where, source, pages in zip(row["tiles"].split(), row["sources"].split(), row["pages"].split(), strict=True):
        position = tuple(int(number) for number in re.findall(r"\d+", where))
        chosen = None if pages == "all" else tuple(map(int, pages.split(":")))
        tiles.setdefault(position, []).append((str(_path(source)), chosen))
    return list(tiles.items())


def _psf(provenance: _Provenance, source: str) -> np.ndarray:
    path, config = _path(source), provenance.config
    _check(path, provenance.digests[source], RESTORE)
    return psf_preparation.prepare(
        tiff.read(path), config["psf"]["voxel_size"], config["voxel_size"], config["psf"]["background"], str(path)
    )


def _stored(store: Path, index: tuple[int, ...], digest: str) -> np.ndarray:
    """Read a volume at full resolution from a published store, its shard proven whole."""
    _check(shard_path(store, 0, index), digest, REMAKE, files.blake3)
    return np.asarray(zarr.open_array(store / "0", mode="r")[index])


def _path(uri: str) -> Path:
    return Path(url2pathname(urlsplit(uri).path))


def relative_l2(made: np.ndarray, stored: np.ndarray) -> float:
    """Return the norm of the difference over the norm of `stored`, (z, y, x) both.

    Integers differ by one count where rounding turns a difference that is far smaller; so one count is free.
    """
    difference = stored_squares = 0.0
    for mine, theirs in zip(made, stored, strict=True):  # plane by plane, for float64 takes twice the memory
        apart = np.abs(np.subtract(mine, theirs, dtype=np.float64))
        if np.issubdtype(stored.dtype, np.integer):
            apart = np.maximum(apart - 1, 0)
        difference += float(np.sum(apart**2))
        stored_squares += float(np.sum(np.square(theirs, dtype=np.float64)))
    if stored_squares == 0:
        return 0.0 if difference == 0 else math.inf
    return math.sqrt(difference / stored_squares)


def _line(outcome: Mapping[str, Any]) -> tuple[int, str]:
    """Say in one line how a volume compares, and how loud."""
    volume = f"{outcome['channel']} t{outcome['timepoint']}"
    if outcome["identical"]:
        return logging.INFO, f"{volume}: identical to the store, bit for bit"
    distance = f"relative L2 {outcome['relative_l2']:.1e}"
    if outcome["passed"]:
        return logging.INFO, f"{volume}: not bit for bit, but within {TOLERANCE:g} of the store ({distance})"
    return logging.ERROR, f"{volume}: DIFFERS from the store ({distance}, at most {TOLERANCE:g} is allowed)"
