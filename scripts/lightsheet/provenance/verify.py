"""Verification: volumes made again from the provenance alone, and compared with what the stores hold.

Nothing of `records/` and `work/` is read: only the crate, the files of the acquisition, and the published stores.
"""

import math
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from lightsheet.deconvolution import CHOICES, ENGINES, Method, check_method, find_agreement, gpu_trial, resolve_engine
from lightsheet.processing import deconvolve_pixels
from lightsheet.provenance.file_checks import REWRITE, check_file
from lightsheet.provenance.raw_source import find_raw
from lightsheet.provenance.reader import Crate, read_crate
from lightsheet.provenance.volume_table import VolumeRow, find_number, parse_settings
from lightsheet.psf import find_psf_settings, prepare_psf_file
from lightsheet.scan import GEOMETRIES
from lightsheet.sources import decide_scan, list_pieces, open_mosaic
from lightsheet.store import ALL_BITS, VOLUMES_FILE, Results, open_shard, shard_path
from lightsheet.system import InputError, Progress, digest_blake3, logger

TOLERANCE = 1e-5
"""Relative L2 by which engines, or versions of their libraries, may differ, but with momentum; see `find_agreement`."""

SETTINGS = {
    "type": "object",
    "required": ["engine", "iterations", "boundary", "acceleration", "background", "dtype", "scale"],
    "dependentRequired": {"scan": ["geometry", "pixel"]},
    "properties": {
        "engine": {"enum": [*ENGINES]},
        "iterations": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 10000}, {"const": "auto"}]},
        "boundary": {"enum": [*CHOICES["boundary"]]},
        "acceleration": {"enum": [*CHOICES["acceleration"]]},
        "background": {"anyOf": [{"type": "number", "minimum": -1e300, "maximum": 1e300}, {"const": "auto"}]},
        "dtype": {"enum": ["float32", "uint16"]},
        "scale": {"type": "number", "minimum": 1e-300, "maximum": 1e300},
        "precision": {"type": "integer", "minimum": 1, "maximum": 23},
        "scan": {
            "type": "object",
            "required": ["angle", "step", "axis", "direction"],
            "additionalProperties": False,
            "properties": {
                "angle": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 90},
                "step": {"type": "number", "exclusiveMinimum": 0, "maximum": 1e300},
                "axis": {"enum": ["x", "y"]},
                "direction": {"enum": [1, -1]},
            },
        },
        "geometry": {"enum": [*GEOMETRIES]},
        "pixel": {"type": "number", "exclusiveMinimum": 0, "maximum": 1e300},
        "fill": {
            "type": "object",
            "required": ["values", "rim"],
            "properties": {
                "values": {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 9},
                "rim": {"type": "integer", "minimum": 0, "maximum": 9},
            },
        },
    },
}
"""What `deconvolve_pixels` takes, as JSON schema."""

REMAKE = "remove what is there and run the workflow again to make it anew"


def verify_volumes(
    folder: Path,
    volumes: int,
    threads: int,
    *,
    raw: Path | None = None,
    engine: str | None = None,
    seed: int | None = None,
) -> list[dict[str, Any]]:
    """Make randomly chosen volumes of a finished run again and compare them with the published ones; log each.

    Parameters
    ----------
    volumes, seed : int
        How many to choose, at least 1; all if there are no more. The same seed, which is logged, chooses the same.
    raw : Path, optional
        Where the files of the acquisition are; unless given, where the run read them.
    engine : str, optional
        One of `ENGINES`; unless given, the one that made the volume, or "cpu" where that is "gpu" and there is none.

    Returns
    -------
    list of dict
        Per volume `channel`, `timepoint`, `engine`, `identical` (bit for bit), `relative_l2` (of the difference, where
        integers and rounded floats may also differ by the one step that rounding turns), the `tolerance` of that
        (`find_agreement`), and `passed`.
        InputError if it cannot be made again: a file is missing or not the one that the provenance names, a raw store
        does not hold the pixels of its TIFF files, or the engine has no such settings.
    """
    if volumes < 1:
        raise InputError(f"volumes: {volumes} is too few to verify; give 1 or more")
    crate = read_crate(folder)
    candidates = [row for row in crate.rows if not row["missing"]]
    if not candidates:
        raise InputError(f"{folder}: no volume of it was recorded, so there is none to verify")
    seed = random.randrange(2**32) if seed is None else seed
    rows = random.Random(seed).sample(candidates, min(volumes, len(candidates)))
    rows.sort(key=find_index)
    numbers = len(rows), len(candidates)
    logger.info("verifying %d of %d volumes of %s; --seed %d chooses the same", *numbers, folder, seed)
    progress, outcomes = Progress("verify", len(rows), "volume"), []
    for row in rows:
        outcomes.append(_verify_volume(crate, row, raw or crate.acquisition, engine, threads))
        progress.step(_describe_outcome(outcomes[-1]))
    agreements = sum(outcome["passed"] for outcome in outcomes)
    logger.info("%d of %d volumes agree with %s", agreements, len(outcomes), folder)
    return outcomes


def _verify_volume(crate: Crate, row: VolumeRow, acquisition: Path, engine: str | None, threads: int) -> dict[str, Any]:
    settings = _read_settings(crate, row)
    settings["engine"] = engine = _choose_engine(settings, engine)
    raw = _read_raw(crate, row, acquisition)
    path, bead = crate.measured_psf(row["channel"]), crate.psf_section
    scan = decide_scan(crate.config["input"].get("scan", "straight"))  # older provenance lacks it
    psf, _ = prepare_psf_file(
        path, voxel_size=crate.config["voxel_size"], scan=scan, **find_psf_settings(path, bead, row["channel"])
    )
    block = [int(size) for size in row["block"].split()]
    repetition, statistics = deconvolve_pixels(raw, psf, settings, threads, block)
    stored = read_result(crate, row)
    identical = bool(np.array_equal(repetition, stored))
    distance = 0.0 if identical else measure_relative_l2(repetition, stored, settings.get("precision"))
    tolerance = find_agreement(settings["acceleration"], statistics["iterations"])
    return {
        "channel": row["channel"],
        "timepoint": int(row["timepoint"]),
        "engine": engine,
        "made_by": row["engine"],
        "identical": identical,
        "relative_l2": distance,
        "tolerance": tolerance,
        "passed": distance <= tolerance,
    }


def _read_settings(crate: Crate, row: VolumeRow) -> dict[str, Any]:
    """Return how a volume was computed, in full and of the right types."""
    path = crate.folder / VOLUMES_FILE
    settings = parse_settings(row, path, REWRITE)
    if fault := best_match(Draft202012Validator(SETTINGS).iter_errors(settings)):
        raise InputError(
            f"{path}: the settings of {row['channel']} t{row['timepoint']} are none of this version, see "
            f"{fault.json_path[:100]}; verify it with the version of the workflow that made it"
        )
    return settings


def _choose_engine(settings: Mapping[str, Any], request: str | None) -> str:
    """Choose what shall make a volume again."""
    run_engine: str = settings["engine"]
    engine = request or resolve_engine("cpu" if run_engine == "gpu" and not gpu_trial.is_available() else run_engine)
    if engine != run_engine and "skimage" in (engine, run_engine):
        raise InputError(f"engine: {engine} and {run_engine} do not agree, so that one cannot verify the other")
    check_method(Method(**{name: settings[name] for name in ("iterations", "boundary", "acceleration")}), engine)
    return engine


def _read_raw(crate: Crate, row: VolumeRow, acquisition: Path) -> np.ndarray:
    """Read a volume from its files, and prove that the raw store, if the run kept one, holds the same pixels."""
    place = find_raw(row, acquisition)
    with open_mosaic(*place) as volume:
        raw = volume[:, :]
    if not row["raw_blake3"]:
        return raw
    t = int(row["timepoint"])
    store = Results(crate.folder).raw_store(row["channel"])
    if not np.array_equal(raw, read_published_volume(store, (t,), row["raw_blake3"])):
        paths = ", ".join(path for path, _ in list_pieces(place.tiles))
        raise InputError(
            f"{shard_path(store, 0, (t,))} does not hold the pixels of {paths}; "
            f"remove the record of {row['channel']} timepoint {find_number(row)} below records/raw and run the "
            "workflow again"
        )
    return raw


def find_index(row: VolumeRow) -> tuple[int, int]:
    """Return where the result's store has a volume: (t, c)."""
    return int(row["timepoint"]), int(row["channel_index"])


def read_result(crate: Crate, row: VolumeRow) -> np.ndarray:
    """Read a deconvolved volume (z, y, x) from the published store."""
    return read_published_volume(crate.store, find_index(row), row["result_blake3"])


def read_published_volume(store: Path, index: tuple[int, ...], digest: str) -> np.ndarray:
    """Read a volume (z, y, x) at full resolution; InputError unless its shard is there and has this BLAKE3 digest."""
    path = shard_path(store, 0, index)
    check_file(path, digest, REMAKE, digest_blake3)
    try:
        return open_shard(path, store / "0")[:, :]
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path} {error}; {REMAKE}") from error


def measure_relative_l2(volume: np.ndarray, reference: np.ndarray, bits: int | None = None) -> float:
    """Return the norm of the difference over the norm of the reference, (z, y, x) both.

    Integers differ by one count where rounding turns a difference that is far smaller; so one count is free. Of what
    was rounded to so many `bits` one step of the last of these is.
    """
    if volume.shape != reference.shape:
        return math.inf
    error = light = 0.0
    for plane, reference_plane in zip(volume, reference, strict=True):  # in float64 a volume takes twice the memory
        difference = np.abs(np.subtract(plane, reference_plane, dtype=np.float64))
        if np.issubdtype(reference.dtype, np.integer):
            difference = np.maximum(difference - (2.0 ** (ALL_BITS["uint16"] - bits) if bits else 1), 0)
        elif bits:
            _, exponents = np.frexp(np.maximum(np.abs(plane), np.abs(reference_plane)))
            difference = np.maximum(difference - np.ldexp(1.0, exponents - 1 - bits), 0)
        error += float(np.sum(difference**2))
        light += float(np.sum(np.square(reference_plane, dtype=np.float64)))
    if light == 0:
        return 0.0 if error == 0 else math.inf
    return math.sqrt(error / light)


def _describe_outcome(outcome: Mapping[str, Any]) -> str:
    """Say in one line how a volume compares."""
    volume = f"{outcome['channel']} t{outcome['timepoint']}"
    if outcome["engine"] != outcome["made_by"]:
        volume += f", made with engine {outcome['engine']} instead of {outcome['made_by']}"
    if outcome["identical"]:
        return f"{volume}: identical to the store, bit for bit"
    distance = f"relative L2 {outcome['relative_l2']:.1e}"
    if outcome["passed"]:
        return f"{volume}: not bit for bit, but within {outcome['tolerance']:g} of the store, {distance}"
    return f"{volume}: DIFFERS from the store, {distance}, at most {outcome['tolerance']:g} is allowed"
