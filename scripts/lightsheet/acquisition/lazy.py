"""An acquisition as one lazy array, for a person who explores it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightsheet.acquisition.discovery import discover
from lightsheet.acquisition.hyperstack import unfold_hyperstack
from lightsheet.acquisition.model import Piece
from lightsheet.sources import open_stack
from lightsheet.system import InputError

if TYPE_CHECKING:
    import dask.array
    import numpy as np


def open(folder: Path | str, pattern: str = "lattice", ignore: Sequence[str] = ()) -> "dask.array.Array":
    """See an acquisition as one lazy array; a file is read only when its part of it is computed.

    Parameters
    ----------
    folder, pattern, ignore
        As for `discover`.

    Returns
    -------
    dask.array.Array
        (c, t, z, y, x), one chunk a tile, tiles edge to edge; the first tile's dtype.

    Raises
    ------
    InputError
        As `discover` and `unfold_hyperstack`; upon computing, if a tile's shape or dtype is not the first one's.
    """
    import dask.array as da
    from dask.delayed import delayed

    acquisition = unfold_hyperstack(discover(folder, pattern, ignore))
    with open_stack(acquisition.volumes[0].tiles[0].pieces) as stack:
        shape, dtype = stack.shape, stack.dtype
    read = delayed(_read_block, pure=True)
    blocks: dict[tuple[int, ...], Any] = {}
    for volume in acquisition.volumes:
        place = acquisition.channels.index(volume.channel), volume.timepoint
        for tile in volume.tiles:
            pixels = read(tile.pieces, shape, dtype)
            blocks[*place, *tile.position] = da.from_delayed(pixels, (1, 1, *shape), dtype)  # type: ignore[no-untyped-call]
    extent = (len(acquisition.channels), acquisition.timepoints, *acquisition.grid)
    array: dask.array.Array = da.block(_nest_blocks(blocks, extent))  # type: ignore[no-untyped-call]
    return array


def _read_block(pieces: Sequence[Piece], shape: tuple[int, ...], dtype: "np.dtype[Any]") -> "np.ndarray[Any, Any]":
    with open_stack(pieces) as stack:
        if stack.shape != shape or stack.dtype != dtype:
            first = f"the first tile of the acquisition {shape} {dtype}"
            raise InputError(f"{pieces[0].path}: is {stack.shape} {stack.dtype}, {first}")
        return stack[:, :][None, None]


def _nest_blocks(blocks: dict[tuple[int, ...], Any], extent: tuple[int, ...], index: tuple[int, ...] = ()) -> Any:
    """Arrange blocks as lists of lists, one depth an axis."""
    if len(index) == len(extent):
        return blocks[index]
    return [_nest_blocks(blocks, extent, (*index, i)) for i in range(extent[len(index)])]
