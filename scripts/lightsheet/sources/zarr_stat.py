"""What tells that a volume of a Zarr array has changed: when its chunks were written, and which never were."""

import math
import os
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lightsheet.sources.zarr_chunks import ChunkReader, find_sharding
from lightsheet.sources.zarr_view import Part, Selection, View, open_view
from lightsheet.system import InputError, digest_json


class PieceStat(NamedTuple):
    """What tells that a piece has changed: its bytes and its newest file's time; of a Zarr array all times, as `stamp`.

    `chunks` and `absent` count its chunks, and those that were never written, `holes` tells which these are.
    """

    bytes: int
    mtime_ns: int
    stamp: str = ""
    chunks: int = 1
    absent: int = 0
    holes: str = ""


def stat_selection(path: Path, selection: Selection) -> PieceStat:
    """Look at the files of a volume's chunks, one by one, as overwriting one shows nowhere else.

    An append changes the metadata's shape alone, which does not count.
    """
    view = open_view(path, selection)
    layout = view.layout
    sizes, times, absent = list[int](), list[int](), list[int]()
    files = view.list_places(layout.chunk)
    names = product(*([str(number) for number in places] for places in files))
    base = f"{path}{os.sep}{layout.name_chunk(())}{layout.separator if layout.prefix else ''}"
    for number, name in enumerate(names):
        try:
            stat = os.stat(base + layout.separator.join(name))  # noqa: PTH116 (a million of them: three times as fast)
        except (FileNotFoundError, NotADirectoryError):
            absent.append(number)
            continue
        except OSError as error:
            raise InputError(f"{base}{layout.separator.join(name)}: cannot be read ({error.strerror})") from error
        sizes.append(stat.st_size)
        times.append(stat.st_mtime_ns)
    stamp = digest_json([layout.digest, sizes, times, absent])[:32]
    holes, chunks = _find_inner_holes(view, files, absent, None)
    return PieceStat(sum(sizes), max(times, default=0), stamp, chunks, len(holes), digest_json(holes)[:32])


def stat_holes(path: Path, selection: Selection, part: Part) -> PieceStat:
    """Count, of the chunks that a part of a volume touches, those that were never written; bytes and times are 0."""
    view = open_view(path, selection)
    files, reader = view.list_places(view.layout.chunk, part), ChunkReader(view.layout)
    absent = [n for n, file in enumerate(product(*files)) if not (reader.is_sharded or reader.is_written(file))]
    holes, chunks = _find_inner_holes(view, files, absent, part)
    return PieceStat(0, 0, "", chunks, len(holes), digest_json(holes)[:32])


def _find_inner_holes(
    view: View, files: Sequence[range], absent: Sequence[int], part: Part | None
) -> tuple[list[int], int]:
    """Return the numbers of the chunks of a volume, or of a part, that were never written, and how many it has.

    Where a file is one chunk, it is an absent file; of a shard its index tells.
    """
    if find_sharding(view.layout) is None:
        return list(absent), math.prod(map(len, files))
    reader = ChunkReader(view.layout)
    places = view.list_places(reader.unit, part)
    masks = [reader.find_holes(file, places).ravel() for file in product(*files)]
    return np.flatnonzero(np.concatenate([*masks, []])).tolist(), sum(mask.size for mask in masks)
