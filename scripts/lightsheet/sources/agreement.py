"""What all files of an acquisition must say of themselves, as one of them stands for the rest."""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from lightsheet.sources.metadata import FileMetadata
from lightsheet.sources.micromanager import list_places
from lightsheet.sources.pieces import PageRange
from lightsheet.sources.tiff_metadata import read_metadata
from lightsheet.sources.tiff_stack import count_pages
from lightsheet.sources.voxel_size import TOLERANCE
from lightsheet.system import InputError, stat_file

Facts = Mapping[str, Any]
"""What `list_facts` returns."""


def list_facts(
    metadata: FileMetadata, paths: Sequence[Path], voxel_size: Mapping[str, float] | None, *, is_auto: bool
) -> dict[str, Any]:
    """List what a typical file says that all others must say, in builtin types.

    Parameters
    ----------
    metadata : FileMetadata, of the typical tile
    paths : sequence of Path, its files
    voxel_size : mapping or None, in use, axes in micrometre; None where the user knows it better than the files
    is_auto : bool, whether the order of the pages, and of the channels in them, is that of the metadata

    Returns
    -------
    dict, for `explain_difference` and `refuse_other_facts`
    """
    is_several = math.prod(metadata.sizes.get(axis, 1) for axis in "TC") > 1
    return {
        "path": str(paths[0]),
        "files": len(paths),
        "order": name_order(metadata) if is_auto else None,
        "channels": list(metadata.channels) if is_auto and is_several and metadata.sizes["C"] > 1 else [],
        "voxel_size": dict(voxel_size or {}),
    }


def name_order(metadata: FileMetadata) -> str:
    """Name the order of the pages of a file, as far as it says that they are more than planes."""
    sizes = metadata.sizes
    if metadata.problem:
        return f"unknown ({metadata.problem})"
    if not sizes or sizes["T"] * sizes["C"] == 1:
        return "planes of one volume"
    return ", ".join(f"{axis}={sizes[axis]}" for axis in metadata.axes if sizes[axis] > 1) + ", slowest first"


def explain_difference(facts: Facts, metadata: FileMetadata) -> str:
    """Say in what a file differs from the typical one, and what can be done; empty where it does not.

    Parameters
    ----------
    facts : mapping, from `list_facts`
    metadata : FileMetadata, of the file
    """
    leave = "leave one kind out with input.ignore"
    if facts["order"] not in (None, order := name_order(metadata)):
        return (
            f"its pages are {order} by what it says, but those of {facts['path']} are {facts['order']}; {leave}, or "
            "set input.axes if only one is right"
        )
    channels = list(metadata.channels)
    if any(facts["channels"]) and any(channels) and channels != facts["channels"]:
        first, second = (", ".join(map(repr, names)) for names in (channels, facts["channels"]))
        return (
            f"its channels are {first} by what it says, but those of {facts['path']} are {second}; {leave}, or set "
            "input.axes if their order is the same nevertheless"
        )
    for axis, size in metadata.voxel_size.items():
        typical = facts["voxel_size"].get(axis, size)
        if not math.isclose(size, typical, rel_tol=TOLERANCE):
            return (
                f"its voxels have {axis} = {size:.4g} um by what it says, but voxel_size.{axis} is {typical:.4g} "
                f"um, as for {facts['path']}; {leave}, or add `override: true` to voxel_size if they are alike"
            )
    return ""


def refuse_other_facts(pieces: Sequence[tuple[str, PageRange]], facts: Facts) -> None:
    """Refuse a tile whose files say of themselves what the typical one contradicts.

    Parameters
    ----------
    pieces : sequence of (str, PageRange), its files, and which of their pages it is
    facts : mapping, from `list_facts`; empty where nothing is known that could be contradicted

    Raises
    ------
    InputError
        If the order of its pages, its channels or its voxel size are others, or nothing can be read of them.
    """
    if not facts:
        return
    first, files = pieces[0][0], [_identify(path) for path, _ in pieces]
    if facts["order"] is not None and facts["files"] > 1 and pieces[0][1] is not None:
        # Its planes lie in some of the files whose pages follow each other.
        _refuse_mixed_places(pieces)
        facts = {**facts, "order": None, "channels": []}
        files = files[:1]
    metadata = _read(*files)
    if metadata.is_damaged and facts["order"] is not None:
        count_pages(Path(first))  # refuses what is no TIFF, in its own words
        raise InputError(
            f"{first}: its metadata is damaged, so that what its pages are is unknown; copy it again, or set "
            "input.axes, such as ZYX if the pages of all files are the planes of one volume"
        )
    if not metadata.is_damaged and (difference := explain_difference(facts, metadata)):
        raise InputError(f"{first}: {difference}")


def _refuse_mixed_places(pieces: Sequence[tuple[str, PageRange]]) -> None:
    """Refuse pages of one volume that are of several channels or timepoints, as the tag of each says."""
    places = [
        place
        for path, pages in pieces
        if pages and (all_places := _list_places(_identify(path)))
        for place in all_places[slice(*pages[:3])]
    ]
    for axis, name in (("C", "channels"), ("T", "timepoints")):
        values = list(dict.fromkeys(str(place.get(axis)) for place in places))
        if len(values) > 1:
            raise InputError(
                f"{pieces[0][0]}: by Micro-Manager's tags, pages that should be of one volume are of the {name} "
                f"{' and '.join(values[:3])}; leave it out with input.ignore, or set input.axes"
            )


def _identify(path: str) -> tuple[str, int, int]:
    stat = stat_file(Path(path))
    return path, stat.st_size, stat.st_mtime_ns


@lru_cache(maxsize=16)  # a file of many volumes is read again for each of them
def _read(*files: tuple[str, int, int]) -> FileMetadata:
    return read_metadata(*(Path(path) for path, _, _ in files))


@lru_cache(maxsize=16)
def _list_places(file: tuple[str, int, int]) -> list[dict[str, Any]]:
    return list_places(Path(file[0]))
