"""Raw volumes where their files are: found by the provenance, and proven by its digests to be those of the run."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from lightsheet.provenance.file_checks import REWRITE, check_digest, check_presence
from lightsheet.provenance.volume_table import VolumeRow
from lightsheet.sources import (
    PageRange,
    Region,
    Tiles,
    describe_volume,
    digest_sources,
    list_pieces,
    parse_pages,
)
from lightsheet.store import VOLUMES_FILE
from lightsheet.system import InputError

RESTORE = (
    "put the original back to verify this result (or say with --raw where it is), or run the workflow again to use the "
    "file as it is"
)


class RawPlace(NamedTuple):
    """What `open_mosaic` takes to read a raw volume."""

    tiles: Tiles
    shape: Sequence[int]
    dtype: str
    region: Region | None


def find_raw(row: VolumeRow, acquisition: Path, remedy: str = RESTORE) -> RawPlace:
    """Return where the files of a volume have its pixels.

    InputError, with the remedy, if a file is missing or not the one that the provenance names.
    """
    tiles, region = _list_tiles(row, acquisition), _read_region(row)
    paths = [Path(path) for path, _ in list_pieces(tiles)]
    for path in paths:
        check_presence(path, remedy)
    place = RawPlace(tiles, *describe_volume(tiles, region), region)
    for path, digest, expected in zip(paths, digest_sources(*place), row["sources_blake3"].split(), strict=True):
        check_digest(path, digest, expected, remedy)
    return place


def _read_region(row: VolumeRow) -> Region | None:
    """Return the part of the whole volume that was selected."""
    spans = row.get("region", "").split()
    return [list(map(int, span.split(":"))) for span in spans] or None


def _list_tiles(row: VolumeRow, acquisition: Path) -> Tiles:
    """Return the tiles of a volume as `open_mosaic` takes them."""
    tiles: dict[tuple[int, ...], list[tuple[str, PageRange]]] = {}
    columns = [row[name].split() for name in ("tiles", "sources", "pages")]
    if not columns[0] or len({len(column) for column in [*columns, row["sources_blake3"].split()]}) > 1:
        raise InputError(
            f"{VOLUMES_FILE}: tiles, sources and pages of {row['channel']} t{row['timepoint']} do not fit; {REWRITE}"
        )
    for tile, source, pages in zip(*columns, strict=True):
        position = tuple(int(number) for number in re.findall(r"\d+", tile))
        tiles.setdefault(position, []).append((str(acquisition / unquote(source)), parse_pages(pages)))
    return list(tiles.items())
