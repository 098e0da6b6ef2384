"""The inventory of an acquisition: a CSV row per file for programs, and a table of what was understood for a person."""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from lightsheet.acquisition.listing import Reasons
from lightsheet.acquisition.model import Acquisition, Piece
from lightsheet.sources import SourceStats, format_pages
from lightsheet.system import InputError, escape_name, format_duration, join_first, write_text

_EXAMPLES = 5  # files of a reason, or timepoints of a channel
_REASONS = 10


def write_inventory(acquisition: Acquisition, path: Path) -> None:
    """Write what `format_inventory` returns; the table appears only whole."""
    stats = SourceStats()

    def measure(piece: Piece) -> int:
        try:
            return stats[piece].bytes
        except InputError as error:
            raise InputError(f"{error}; start the run again") from error

    write_text(path, format_inventory(acquisition, measure))


def format_inventory(acquisition: Acquisition, measure: Callable[[Piece], int]) -> str:
    """Return a CSV table with a row per piece of a tile, in the order of the volumes.

    The columns are file (relative to the folder), pages ("0:30:3": start, end and step; empty for all; "3:0:z:y:x" of
    a Zarr array's axes), channel, wavelength_nm, timepoint (from 0), tile ("z0y0x1"), seconds, bytes (of the whole
    file, or of the volume's chunks, from `measure`), missing (a hole's row has "missing" here, and no file). What is
    unknown is empty. A file can have the pages of many volumes.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["file", "pages", "channel", "wavelength_nm", "timepoint", "tile", "seconds", "bytes", "missing"])
    for volume in acquisition.volumes:
        place = [volume.channel, acquisition.wavelengths[volume.channel], volume.timepoint]
        if not volume.tiles:
            table.writerow(["", "", *place, "", volume.seconds, "", "missing"])
        for position, piece in ((tile.position, piece) for tile in volume.tiles for piece in tile.pieces):
            file = piece.path.relative_to(acquisition.folder).as_posix()
            pages = _format_pages(piece)
            tile = "z{}y{}x{}".format(*position)
            table.writerow([file, pages, *place, tile, volume.seconds, measure(piece), ""])
    return text.getvalue()


def _format_pages(piece: Piece) -> str:
    if isinstance(piece.pages, range):
        return f"{piece.pages.start}:{piece.pages.stop}:{piece.pages.step}"
    return "" if piece.pages is None else format_pages(piece.pages)


def describe_acquisition(acquisition: Acquisition, volumes: str, share: str = "") -> str:
    """Say in lines what was understood of a folder, for a person to check before anything is computed.

    `volumes` says what one of its volumes is like, `share` which part of the folder is selected.
    """
    width = max(map(len, acquisition.channels))
    wavelengths = {c: f"{nm} nm" if nm else "wavelength not known" for c, nm in acquisition.wavelengths.items()}
    z, y, x = acquisition.grid
    facts = {
        "folder": [str(acquisition.folder)],
        "selected": [share] if share else [],
        "channels": [f"{channel:{width}}  {wavelengths[channel]}" for channel in acquisition.channels],
        "timepoints": [_describe_timepoints(acquisition)],
        "missing": _describe_holes(acquisition),
        "volumes": [volumes],
        "tiles": [f"{z} x {y} x {x} (z, y, x)" if z * y * x > 1 else "1"],
        "files": [_describe_files(acquisition)],
        "left out": _group_reasons(acquisition.excluded_files),
        "waiting": [
            *_group_reasons(acquisition.waiting_files),
            *([f"{awaited} of those that are selected"] if (awaited := acquisition.awaited_timepoints) else []),
        ],
        "remarks": list(acquisition.remarks),
    }
    margin = max(map(len, facts)) + 2
    return "\n".join(
        f"{'' if index else word:{margin}}{line}" for word, lines in facts.items() for index, line in enumerate(lines)
    )


def _describe_timepoints(acquisition: Acquisition) -> str:
    if acquisition.timepoints == 1:
        return "1"
    if acquisition.interval is None:
        return f"{acquisition.timepoints}, times not known"
    last = format_duration(max(time for time in acquisition.seconds or () if time is not None))
    return f"{acquisition.timepoints}, one every {acquisition.interval:g} s (median), the last after {last}"


def _describe_holes(acquisition: Acquisition) -> list[str]:
    holes: dict[str, list[int]] = defaultdict(list)
    for channel, timepoint in acquisition.holes:
        holes[channel].append(timepoint)
    return [
        f"{channel}: {_count(len(timepoints), 'volume')}, timepoint {join_first(timepoints, _EXAMPLES)} (from 0)"
        for channel, timepoints in holes.items()
    ]


def _describe_files(acquisition: Acquisition) -> str:
    counts = sorted({len(tile.pieces) for volume in acquisition.volumes for tile in volume.tiles})
    pieces = [piece for volume in acquisition.volumes for piece in volume.pieces]
    extremes = " to ".join(map(str, counts[:: max(1, len(counts) - 1)]))
    if acquisition.stores:
        volumes = _count(len(acquisition.volumes) - len(acquisition.holes), "volume")
        return f"{_count(len({piece.path for piece in pieces}), 'Zarr array')}, with {volumes}"
    parts = "one a tile" if counts == [1] else f"{extremes} a tile"
    if any(piece.pages is not None for piece in pieces):
        parts = f"with {_count(len(acquisition.volumes) - len(acquisition.holes), 'volume')} in their pages"
    return f"{len({piece.path for piece in pieces})}, {parts}"


def _group_reasons(reasons: Reasons) -> list[str]:
    """Put files together whose reasons differ by no more than the file's name and numbers."""
    groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, reason in reasons:
        name = escape_name(name)
        reason = reason.removeprefix(f"{name}: ")
        groups[re.sub(r"\d+", "0", reason)].append((name, reason))
    largest = sorted(groups.values(), key=len, reverse=True)
    lines = [
        f"{_count(len(group), 'file')}, {group[0][1]}: {join_first([name for name, _ in group], _EXAMPLES)}"
        for group in largest[:_REASONS]
    ]
    rest = sum(map(len, largest[_REASONS:]))
    return [*lines, f"{_count(rest, 'file')} for other reasons"] if rest else lines


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number > 1 else ''}"
