"""File names to volumes: which file is which channel, timepoint and tile, and whether anything is missing.

It runs whenever the Snakefile is parsed, so it lists one folder, opens no file, and imports nothing heavy.
"""

import csv
import io
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise, product
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from lightsheet import timeaxis
from lightsheet.errors import InputError
from lightsheet.files import write_text
from lightsheet.names import SUFFIXES, Fields, compile_pattern, is_tiff, parse_name
from lightsheet.timeaxis import File, Position, Volumes

if TYPE_CHECKING:
    import dask.array
    import numpy as np

__all__ = ["Acquisition", "Tile", "Volume", "discover", "open", "parse_name", "write_inventory"]


@dataclass(frozen=True)
class Tile:
    """One file: its (z, y, x) index in the tile grid, from 0, and its path."""

    position: Position
    path: Path


@dataclass(frozen=True)
class Volume:
    """One timepoint of one channel; `seconds` since the acquisition's first volume, None where unknown."""

    channel: str
    timepoint: int
    seconds: float | None
    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Acquisition:
    """A folder of TIFF stacks, understood.

    Channels are in natural order, `wavelengths` in nm, `timepoints` their number, `grid` the number of tiles
    along (z, y, x), `seconds` since the first timepoint for each, `volumes` by timepoint, then channel.
    `left_out` holds (file name, why) of every TIFF not used, `remarks` sentences for the person who runs it.
    """

    folder: Path
    channels: tuple[str, ...]
    wavelengths: dict[str, int | None]
    timepoints: int
    grid: Position
    seconds: tuple[float, ...] | None
    volumes: tuple[Volume, ...]
    left_out: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]

    @property
    def interval(self) -> float | None:
        """Median seconds from one timepoint to the next; None with a single timepoint or without times."""
        if self.seconds is None or self.timepoints < 2:
            return None
        return median(after - before for before, after in pairwise(self.seconds))


def discover(folder: Path | str, pattern: str = "lattice", ignore: Sequence[str] = ()) -> Acquisition:
    """Find the volumes of a folder.

    Parameters
    ----------
    folder : Path or str
        Listed without its subfolders.
    pattern : str
        A preset or a template, as for `parse_name`.
    ignore : sequence of str
        Names to leave out, such as ``"*_decon.tif"`` (see `fnmatch`).

    Returns
    -------
    Acquisition
        Complete: every channel has every timepoint, and every volume all of its tiles. The time axis is the
        number that varies among the files of one channel and tile and tells them apart: a template's
        timepoint, stackNNNN, NNNNt, Iter, or several of them together; where no number varies, the order in
        time.

    Raises
    ------
    InputError
        If there is no such folder, nothing in it fits, a timepoint or a tile is missing, or two files are one
        volume.
    """
    folder = Path(folder)
    files, left_out = _read_names(folder, pattern, ignore)
    volumes = timeaxis.group(folder, files)
    channels = tuple(sorted({channel for _, channel in volumes}, key=_natural))
    sites = [sorted({file.site[axis] for file in files}) for axis in range(3)]
    timeaxis.refuse_gaps(folder, volumes, channels)
    _refuse_gaps_in_grid(folder, volumes, sites)

    numbers = sorted({number for number, _ in volumes})
    seconds, since_start, remarks = timeaxis.find_seconds(volumes, numbers)
    return Acquisition(
        folder=folder,
        channels=channels,
        wavelengths={channel: next(iter(volumes[numbers[0], channel].values())).wavelength for channel in channels},
        timepoints=len(numbers),
        grid=(len(sites[0]), len(sites[1]), len(sites[2])),
        seconds=seconds,
        volumes=tuple(
            Volume(
                channel,
                timepoint,
                since_start.get((number, channel)),
                _tiles(volumes[number, channel], sites),
            )
            for timepoint, number in enumerate(numbers)
            for channel in channels
        ),
        left_out=left_out,
        remarks=(*_remarks_on_names(files, len(numbers)), *remarks),
    )


def write_inventory(acquisition: Acquisition, path: Path) -> None:
    """Write one CSV row per file, in the order of the volumes; the table appears only whole.

    Parameters
    ----------
    acquisition : Acquisition
        From `discover`.
    path : Path
        The table: file, channel, wavelength_nm, timepoint (from 0), tile ("z0y0x1"), seconds, bytes. What is
        unknown is empty.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["file", "channel", "wavelength_nm", "timepoint", "tile", "seconds", "bytes"])
    for volume in acquisition.volumes:
        wavelength = acquisition.wavelengths[volume.channel]
        for tile in volume.tiles:
            place = "z{}y{}x{}".format(*tile.position)
            size = tile.path.stat().st_size
            table.writerow([tile.path.name, volume.channel, wavelength, volume.timepoint, place, volume.seconds, size])
    write_text(path, text.getvalue())


def open(folder: Path | str, pattern: str = "lattice", ignore: Sequence[str] = ()) -> "dask.array.Array":
    """See an acquisition as one lazy array; a file is read only when its part of it is computed.

    Parameters
    ----------
    folder, pattern, ignore
        As for `discover`.

    Returns
    -------
    dask.array.Array
        (c, t, z, y, x), one chunk a tile, tiles edge to edge; the first file's dtype.

    Raises
    ------
    InputError
        As `discover`; upon computing, if a file's shape or dtype is not the first file's.
    """
    import dask.array as da
    from dask.delayed import delayed

    from lightsheet import tiff

    acquisition = discover(folder, pattern, ignore)
    shape, dtype = tiff.describe(acquisition.volumes[0].tiles[0].path)
    read = delayed(_read_block, pure=True)
    blocks: dict[tuple[int, ...], Any] = {}
    for volume in acquisition.volumes:
        place = acquisition.channels.index(volume.channel), volume.timepoint
        for tile in volume.tiles:
            pixels = read(tile.path, shape, dtype)
            blocks[*place, *tile.position] = da.from_delayed(pixels, (1, 1, *shape), dtype)  # type: ignore[no-untyped-call]
    extent = (len(acquisition.channels), acquisition.timepoints, *acquisition.grid)
    array: dask.array.Array = da.block(_nest(blocks, extent))  # type: ignore[no-untyped-call]
    return array


def _nest(blocks: dict[tuple[int, ...], Any], extent: tuple[int, ...], index: tuple[int, ...] = ()) -> Any:
    """Arrange blocks as lists of lists, one depth an axis."""
    if len(index) == len(extent):
        return blocks[index]
    return [_nest(blocks, extent, (*index, i)) for i in range(extent[len(index)])]


def _read_block(path: Path, shape: tuple[int, ...], dtype: "np.dtype[Any]") -> "np.ndarray[Any, Any]":
    from lightsheet import tiff

    pixels = tiff.read(path)
    if pixels.shape != shape or pixels.dtype != dtype:
        raise InputError(f"{path}: is {pixels.shape} {pixels.dtype}, the first file of the acquisition {shape} {dtype}")
    return pixels[None, None]


def _natural(text: str) -> list[str | int]:
    """Sort key by which 2 comes before 10: text and numbers in turn."""
    return [int(part) if index % 2 else part for index, part in enumerate(re.split(r"([0-9]+)", text))]


def _read_names(folder: Path, pattern: str, ignore: Sequence[str]) -> tuple[list[File], tuple[tuple[str, str], ...]]:
    """Sort the TIFFs of a folder into those whose names can be read and those left out."""
    compile_pattern(pattern)  # or its errors would be taken for every file's
    if not folder.is_dir():
        raise InputError(f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}; set input.folder")
    with os.scandir(folder) as entries:
        found = {entry.name: entry.is_file() for entry in entries if is_tiff(entry.name)}
    if not found:
        raise InputError(f"{folder}: there is no TIFF file ({', '.join(SUFFIXES)}) in it; set input.folder")
    files: list[File] = []
    left_out: list[tuple[str, str]] = []
    for name in sorted(found, key=_natural):
        try:
            fields = _read_name(name, found[name], pattern, ignore)
        except InputError as error:
            left_out.append((name, str(error)))
        else:
            files.append(timeaxis.read_fields(folder / name, fields))
    if not files:
        reasons = "; ".join(why for _, why in left_out[:3])
        raise InputError(f"{folder}: none of its {len(found)} TIFF files can be used; set input.pattern ({reasons})")
    return files, tuple(left_out)


def _read_name(name: str, is_file: bool, pattern: str, ignore: Sequence[str]) -> Fields:
    for glob in ignore:
        if fnmatchcase(name, glob):
            raise InputError(f"{name}: ignored by {glob!r}")
    if name.startswith("."):  # macOS leaves a "._NAME" beside every NAME on foreign disks
        raise InputError(f"{name}: a hidden file")
    if not is_file:
        raise InputError(f"{name}: not a file, but a folder or a link that leads nowhere")
    return parse_name(name, pattern)


def _refuse_gaps_in_grid(folder: Path, volumes: Volumes, sites: list[list[int]]) -> None:
    for axis, values in zip("zyx", sites, strict=True):
        steps = [after - before for before, after in pairwise(values)]
        # Steps that are multiples of the smallest leave a column without tiles; others are stage positions.
        uneven = [index for index, step in enumerate(steps) if step != min(steps)]
        if uneven and all(step % min(steps) == 0 for step in steps):
            before, after = values[uneven[0]], values[uneven[0] + 1]
            raise InputError(
                f"{folder}: no tile lies between {axis}={before} and {axis}={after}; "
                "copy what is missing into the folder, or leave the tiles beyond out with input.ignore"
            )
    every = set(product(*sites))
    for (number, channel), tiles in volumes.items():
        if missing := sorted(every - tiles.keys()):
            z, y, x = missing[0]
            raise InputError(
                f"{folder}: timepoint {number} of {channel} lacks {len(missing)} of {len(every)} tiles, first "
                f"x={x}, y={y}, z={z}; copy what is missing into the folder, or leave out that timepoint, or the "
                "tile wherever it is, with input.ignore"
            )


def _tiles(files: dict[Position, File], sites: list[list[int]]) -> tuple[Tile, ...]:
    index = [{value: rank for rank, value in enumerate(values)} for values in sites]
    return tuple(Tile((index[0][z], index[1][y], index[2][x]), files[z, y, x].path) for z, y, x in sorted(files))


def _remarks_on_names(files: list[File], timepoints: int) -> list[str]:
    remarks = []
    if len(prefixes := sorted({file.prefix for file in files}, key=_natural)) > 1:
        remarks.append(f"The file names begin in {len(prefixes)} ways: {', '.join(map(repr, prefixes[:3]))}.")
    if timepoints > 1 and not timeaxis.varying_counters(files):
        remarks.append("Only the times in the names tell the timepoints apart.")
    return remarks
