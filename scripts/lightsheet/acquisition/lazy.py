"""An acquisition as one lazy Dask array, for a person who explores it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
from dask.delayed import delayed

from lightsheet.acquisition.discovery import discover
from lightsheet.acquisition.hyperstack import unfold_hyperstack
from lightsheet.acquisition.model import Piece, list_stack_pieces
from lightsheet.acquisition.store_survey import survey_volumes
from lightsheet.acquisition.stores import unfold_stores
from lightsheet.sources import open_mosaic, open_stack, stat_source
from lightsheet.system import InputError


def open(
    folder: Path | str,
    pattern: str = "lattice",
    ignore: Sequence[str] = (),
    *,
    axes: str = "auto",
    image: int | str = "auto",
) -> da.Array:
    """See an acquisition as one lazy array; a file is read only when its part of it is computed.

    Parameters
    ----------
    folder, pattern, ignore
        As for `discover`: a folder of TIFFs or of Zarr stores, or a Zarr store.
    axes : str
        The letters of the axes of a Zarr array that does not name them, as in ``"zyx"``; the order of a TIFF's pages.
    image : int or str
        Number or path of the image of a store that holds several.

    Returns
    -------
    dask.array.Array
        (c, t, z, y, x) of the first tile's dtype; one chunk a tile, tiles edge to edge.

    Raises
    ------
    InputError
        As `discover`, `unfold_hyperstack` and `unfold_stores`; where part of a store was never written; upon computing,
        if a tile's shape or dtype is not the first one's.
    """
    acquisition = discover(folder, pattern, ignore)
    shape: tuple[int, ...]
    if acquisition.stores:
        stores = unfold_stores(acquisition, axes, image)
        acquisition = survey_volumes(
            stores.acquisition, lambda piece: stat_source(*piece), fill_value=stores.fill
        ).acquisition
        shape, dtype = stores.shape, np.dtype(stores.dtype)
    else:
        acquisition = unfold_hyperstack(acquisition, axes)
        with open_stack(list_stack_pieces(acquisition.volumes[0].tiles[0].pieces)) as stack:
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
    if not all(isinstance(piece.pages, range | None) for piece in pieces):
        tiles = [((0, 0, 0), [(str(piece.path), piece.pages) for piece in pieces])]
        with open_mosaic(tiles, shape, dtype.name) as volume:
            return volume[:, :][None, None]
    with open_stack(list_stack_pieces(pieces)) as stack:
        if stack.shape != shape or stack.dtype != dtype:
            tile = f"{pieces[0].path}: is {stack.shape} {stack.dtype}"
            raise InputError(f"{tile}, the first tile of the acquisition {shape} {dtype}")
        return stack[:, :][None, None]
