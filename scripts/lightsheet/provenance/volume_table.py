"""The table `provenance/volumes.csv` as it is read: every cell that is used is checked, for it may be of anybody."""

import csv
import io
import json
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from lightsheet.system import InputError, find_name_fault

VolumeRow = dict[str, str]  # one volume as `provenance/volumes.csv` describes it

NUMBER = r"\d{1,9}"
DIGEST = "[0-9a-f]{64}"
SELECTION = rf"(?=\S*y)(?=\S*x)(?:{NUMBER}:|[zyx]:){{2,8}}(?:{NUMBER}|[zyx])(?::fill=[-+.0-9e]{{1,30}})?"
"""Of a Zarr array."""


def _repeat(word: str) -> str:
    """Return the pattern of words with blanks between them, or none."""
    return f"(?:{word}(?: {word})*)?"


CHANNEL = r"[^/\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,200}"
PATTERNS = {
    "channel": CHANNEL,
    "channel_index": NUMBER,
    "timepoint": NUMBER,
    "missing": "(?:missing)?",
    "tiles": _repeat(f"z{NUMBER}y{NUMBER}x{NUMBER}"),
    "pages": _repeat(rf"(?:all|{NUMBER}:{NUMBER}:[1-9]\d{{0,8}}:{NUMBER}|{SELECTION})"),
    "sources": _repeat("[!-~]+"),
    "sources_blake3": _repeat(DIGEST),
    "raw_blake3": f"(?:{DIGEST})?",
    "result_blake3": DIGEST,
    "engine": "[a-z-]{1,20}",
    "settings": r"\{.*\}",
    "block": r"(?:[1-9]\d{0,8} [1-9]\d{0,8} [1-9]\d{0,8})?",
}
"""What each column that is read looks like."""

SPAN = rf"{NUMBER}:{NUMBER}:{NUMBER}"
ADDED = {"acquired": NUMBER, "region": f"(?:{SPAN} {SPAN} {SPAN})?"}
"""Likewise, of columns that tables of earlier versions lack: then all timepoints, and whole volumes, were used."""


def read_table(path: Path, text: str, remedy: str) -> list[VolumeRow]:
    """Read the rows of volumes.csv; InputError, with the remedy, unless there are some and each is whole."""

    def refuse(reason: str) -> InputError:
        return InputError(f"{path}: {reason}; {remedy}")

    csv.field_size_limit(sys.maxsize)  # 131072 characters are the names of a thousand planes, as some volumes have
    try:
        rows: list[VolumeRow] = list(csv.DictReader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise refuse(f"is no table ({error})") from error
    if not rows:
        raise refuse("describes no volume")
    optional = {name: pattern for name, pattern in ADDED.items() if name in rows[0]}
    patterns = {name: re.compile(pattern) for name, pattern in {**PATTERNS, **optional}.items()}
    for number, row in enumerate(rows, 2):
        for name, pattern in patterns.items():
            if not pattern.fullmatch(row.get(name) or "") or row.get(name) is None:  # as in a short row
                raise refuse(f"column {name} is missing or damaged in row {number}")
    if len({(row["channel"], row["timepoint"]) for row in rows}) < len(rows):
        raise refuse("describes a volume twice")
    for row in rows:
        parse_settings(row, path, remedy)
        if fault := find_name_fault(unquote(row["sources"])):
            raise refuse(f"names a file that {fault}")
    return rows


def find_number(row: VolumeRow) -> int:
    """Return the number of a volume's timepoint in the acquisition; in the store it may be another."""
    return int(row.get("acquired", row["timepoint"]))


def parse_settings(row: VolumeRow, path: Path, remedy: str) -> dict[str, Any]:
    """Return how a volume was computed; what any version of the workflow may have written is a mapping."""
    try:
        settings: dict[str, Any] = json.loads(row["settings"], parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        volume = f"{row['channel']} t{row['timepoint']}"
        raise InputError(f"{path}: the settings of {volume} are damaged; {remedy}") from error
    return settings


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number to compute with")
