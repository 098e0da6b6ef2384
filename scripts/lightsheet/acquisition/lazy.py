"""An acquisition as one lazy Dask array, for a person who explores it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
from dask.delayed import delayed

from lightsheet.acquisition.discovery import discover
from lightsheet.acquisition.hyperstack import unfold_hyperstack
from lightsheet.acquisition.model import Piece
from lightsheet.sources import open_stack
from lightsheet.system import InputError


def open(folder: Path | str, pattern: str = "lattice", ignore: Sequence[str] = ()) -> da.Array:
    """See an acquisition as one lazy array; a file is read only when its part of it is computed.

    Parameters
    ----------
    folder, pattern, ignore
        As for `discover`.

    Returns
    -------
    dask.array.Array
        (c, t, z, y, x) of the first tile's dtype; one chunk a tile, tiles edge to edge.

    Raises
    ------
    InputError
        As `discover` and `unfold_hyperstack`; upon computing, if a tile's shape or dtype is not the first one's.
    """
    acquisition = unfold_hyperstack(discover(folder, pattern, ignore))
    with open_stack(acquisition.volumes[0].tiles[0].pieces) as stack:
        shape, dtype = stack.shape, stack.dtype
    read = delayed(_read_block, pure=True)
    blocks = np.empty((len(acquisition.channels), acquisition.timepoints, *acquisition.grid), object)
    for volume in acquisition.volumes:
        place = acquisition.channels.index(volume.channel), volume.timepoint
        for tile in volume.tiles:
            pixels = read(tile.pieces, shape, dtype)
            blocks[*place, *tile.position] = da.from_delayed(pixels, (1, 1, *shape), dtype)  # type: ignore[no-untyped-call]
    array: da.Array = da.block(blocks.tolist())  # type: ignore[no-untyped-call]
    return array


def _read_block(pieces: Sequence[Piece], shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    with open_stack(pieces) as stack:
        if stack.shape != shape or stack.dtype != dtype:
            tile = f"{pieces[0].path}: is {stack.shape} {stack.dtype}"
            raise InputError(f"{tile}, the first tile of the acquisition {shape} {dtype}")
        return stack[:, :][None, None]
