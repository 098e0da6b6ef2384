"""The inventory of an acquisition: a CSV row per file for programs, and a table of what was understood for a person."""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from lightsheet.acquisition.model import Acquisition, Piece, Volume
from lightsheet.system import InputError, format_duration, write_text

_COLUMNS = ("file", "pages", "channel", "wavelength_nm", "timepoint", "tile", "seconds", "bytes", "missing")
_SHOWN = 5  # files of a reason, or timepoints of a channel
_REASONS = 10


def write_inventory(acquisition: Acquisition, path: Path) -> None:
    """Write one CSV row per piece of a tile, in the order of the volumes; the table appears only whole.

    Parameters
    ----------
    acquisition : Acquisition
        From `acquisition.discover`.
    path : Path
        The table: file (relative to the folder), pages ("0:30:3": start, end and step; empty for all), channel,
        wavelength_nm, timepoint (from 0), tile ("z0y0x1"), seconds, bytes (of the whole file), missing (a hole's
        row has "missing" here, and no file). What is unknown is empty.

    Raises
    ------
    InputError
        If a file has gone.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(_COLUMNS)
    size = lru_cache(maxsize=None)(_bytes)  # a file can have the pages of many volumes
    for volume in acquisition.volumes:
        named = [volume.channel, acquisition.wavelengths[volume.channel], volume.timepoint]
        if not volume.tiles:
            table.writerow(["", "", *named, "", volume.seconds, "", "missing"])
        for place, piece in _pieces(volume):
            file = piece.path.relative_to(acquisition.folder).as_posix()
            table.writerow([file, _pages(piece.pages), *named, place, volume.seconds, size(piece.path), ""])
    write_text(path, text.getvalue())


def _pieces(volume: Volume) -> Iterator[tuple[str, Piece]]:
    for tile in volume.tiles:
        for piece in tile.pieces:
            yield "z{}y{}x{}".format(*tile.position), piece


def _pages(pages: range | None) -> str:
    return "" if pages is None else f"{pages.start}:{pages.stop}:{pages.step}"


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); start the run again") from error


def describe_acquisition(acquisition: Acquisition, volumes: str) -> str:
    """Say what was understood of a folder, for a person to check before anything is computed.

    Parameters
    ----------
    acquisition : Acquisition
        From `acquisition.discover`.
    volumes : str
        What one of its volumes is like.

    Returns
    -------
    str
        Lines, each of a word and what there is to say of it: folder, channels, timepoints, missing, volumes, tiles,
        files, left out, waiting, remarks; the words that have nothing to say are not there.
    """
    lines = {
        "folder": [str(acquisition.folder)],
        "channels": _channels(acquisition),
        "timepoints": [_timepoints(acquisition)],
        "missing": _missing(acquisition),
        "volumes": [volumes],
        "tiles": [_tiles(acquisition)],
        "files": [_files(acquisition)],
        "left out": _grouped(acquisition.left_out),
        "waiting": _grouped(acquisition.waiting),
        "remarks": list(acquisition.remarks),
    }
    width = max(map(len, lines)) + 2
    return "\n".join(
        f"{word if first else '':{width}}{line}"
        for word, said in lines.items()
        for first, line in zip([True, *[False] * len(said)], said, strict=False)
    )


def _channels(acquisition: Acquisition) -> list[str]:
    width = max(map(len, acquisition.channels))
    known = acquisition.wavelengths
    return [f"{c:{width}}  {f'{known[c]} nm' if known[c] else 'wavelength not known'}" for c in acquisition.channels]


def _timepoints(acquisition: Acquisition) -> str:
    if acquisition.timepoints == 1:
        return "1"
    interval, seconds = acquisition.interval, acquisition.seconds
    if interval is None or seconds is None:
        return f"{acquisition.timepoints}, times not known"
    last = max(time for time in seconds if time is not None)
    return f"{acquisition.timepoints}, one every {interval:g} s (median), the last after {format_duration(last)}"


def _missing(acquisition: Acquisition) -> list[str]:
    holes: dict[str, list[int]] = defaultdict(list)
    for channel, timepoint in acquisition.missing:
        holes[channel].append(timepoint)
    return [
        f"{channel}: {_count(len(found), 'volume')}, timepoint {_first(found)} (from 0)"
        for channel, found in holes.items()
    ]


def _tiles(acquisition: Acquisition) -> str:
    z, y, x = acquisition.grid
    return f"{z} x {y} x {x} (z, y, x)" if z * y * x > 1 else "1"


def _files(acquisition: Acquisition) -> str:
    counts = sorted({len(tile.pieces) for volume in acquisition.volumes for tile in volume.tiles})
    pieces = [piece for volume in acquisition.volumes for piece in volume.pieces]
    each = " to ".join(map(str, counts[:: max(1, len(counts) - 1)]))
    parts = "one a tile" if counts == [1] else f"{each} a tile"
    if any(piece.pages is not None for piece in pieces):
        parts = f"with {_count(len(acquisition.volumes) - len(acquisition.missing), 'volume')} in their pages"
    return f"{len({piece.path for piece in pieces})}, {parts}"


def _grouped(reasons: tuple[tuple[str, str], ...]) -> list[str]:
    """Put files together whose reasons differ by no more than the file's name and numbers."""
    groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, why in reasons:
        why = why.removeprefix(f"{name}: ")
        groups[re.sub(r"\d+", "0", why)].append((name, why))
    found = sorted(groups.values(), key=len, reverse=True)
    lines = [
        f"{_count(len(group), 'file')}, {group[0][1]}: {_first([name for name, _ in group])}"
        for group in found[:_REASONS]
    ]
    rest = sum(map(len, found[_REASONS:]))
    return [*lines, f"{_count(rest, 'file')} for other reasons"] if rest else lines


def _first(items: list[str] | list[int]) -> str:
    more = len(items) - _SHOWN
    return ", ".join(map(str, items[:_SHOWN])) + (f" and {more} more" if more > 0 else "")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number > 1 else ''}"
