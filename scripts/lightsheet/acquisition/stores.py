"""Zarr stores unfolded into volumes: each channel and timepoint that an image of theirs has.

Unlike a TIFF's pages, what a store holds stands in a little JSON, so that each is looked at whenever the Snakefile is
parsed. Which chunks there are is for `store_survey`.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import NamedTuple

from lightsheet.acquisition.hyperstack import name_channels
from lightsheet.acquisition.model import Acquisition, Piece, Tile, Volume
from lightsheet.acquisition.names import convert_number, name_channel
from lightsheet.sources import ArrayLayout, FileMetadata, StoreImage, estimate_reading, explain_difference, read_image
from lightsheet.system import InputError, format_size

THREADS = 2
"""Threads of an ingest job, for which the memory is estimated."""


class OpenedStores(NamedTuple):
    """An acquisition in Zarr stores, unfolded; `shape` (z, y, x) and `dtype` are those of most tiles.

    `fill` stands for chunks that were never written, in most arrays; `reading` are the bytes of memory that it takes to
    read a volume by bands, beside the bands.
    """

    acquisition: Acquisition
    metadata: FileMetadata  # of a typical store
    shape: tuple[int, int, int]
    dtype: str
    fill: float
    reading: int


def unfold_stores(
    acquisition: Acquisition,
    axes: str = "auto",
    image: int | str = "auto",
    *,
    fill: float | None = None,
    voxel_size: Mapping[str, float] | None = None,
) -> OpenedStores:
    """Make a volume of each channel and timepoint that the stores of an acquisition hold.

    Parameters
    ----------
    acquisition : Acquisition
        From `discover`, with `stores`: each of its volumes is all that its stores hold.
    axes, image
        As for `read_image`, of each store.
    fill : float, optional
        `input.fill`, if it is a number: it may stand for chunks that were never written, where it is their fill value.
    voxel_size : mapping, optional
        Of the configuration: with `override: true` stores may say different things of it.

    Returns
    -------
    OpenedStores
        T timepoints for each that the names tell apart, and C channels: those of the names, each followed by the
        store's in its order. A volume beyond the end of a store has no tiles.

    Raises
    ------
    InputError
        If a store is damaged or unlike the others, or has several images and none is chosen.
    """
    paths = dict.fromkeys(piece.path for volume in acquisition.volumes for piece in volume.pieces)
    images = {path: read_image(path, image, axes) for path in paths}
    typical = _find_typical(images)
    metadata = images[typical].metadata
    _refuse_others(images, typical, has_override=bool(voxel_size and voxel_size.get("override")))
    lengths = {path: store.sizes["t"] for path, store in images.items()}
    timepoints, channels = max(lengths.values()), images[typical].sizes["c"]
    if timepoints == 0:
        raise InputError(f"{acquisition.folder}: its Zarr has no timepoint yet; run again when there is one")
    names, remarks = name_channels(acquisition, channels, metadata)
    if (
        channels == 1 and acquisition.channels == ("ch0",) and any(metadata.channels[:1])
    ):  # the metadata alone names one
        names = {("ch0", 0): name_channel({"channel": convert_number(metadata.channels[0])})}
    volumes = [
        new for old in acquisition.volumes for new in _split(old, images, names, timepoints, channels, fill, metadata)
    ]
    rank = {name: index for index, name in enumerate(names.values())}
    unfolded = replace(
        acquisition,
        channels=tuple(names.values()),
        wavelengths={name: acquisition.wavelengths[old] for (old, _), name in names.items()},
        timepoints=acquisition.timepoints * timepoints,
        seconds=_add_seconds(acquisition, _list_seconds(metadata, timepoints)),
        volumes=tuple(sorted(volumes, key=lambda volume: (volume.timepoint, rank[volume.channel]))),
        remarks=(*acquisition.remarks, *remarks, _describe(images[typical])),
        colours=_find_colours(names, images[typical].colours),
    )
    layout = images[typical].layout
    reading = estimate_reading(layout, images[typical].axes, THREADS)
    shape = _measure_tile(acquisition, images, typical)
    return OpenedStores(unfolded, metadata, shape, _name_dtype(layout), layout.fill, reading)


def _measure_tile(acquisition: Acquisition, images: Mapping[Path, StoreImage], typical: Path) -> tuple[int, int, int]:
    """Return the shape (z, y, x) of the first tile that the typical store is a piece of."""
    tiles = (tile for volume in acquisition.volumes for tile in volume.tiles)
    pieces = next(tile.pieces for tile in tiles if any(piece.path == typical for piece in tile.pieces))
    depth = sum(images[piece.path].sizes["z"] for piece in pieces)
    return depth, images[typical].sizes["y"], images[typical].sizes["x"]


def _add_seconds(acquisition: Acquisition, offsets: Sequence[float | None]) -> tuple[float | None, ...] | None:
    """Return the seconds of all timepoints: those that the names tell, and each store's own; None if none is known."""
    seconds = tuple(
        None if start is None or offset is None else start + offset
        for start in acquisition.seconds or ((0.0,) if acquisition.timepoints == 1 else ())
        for offset in offsets
    )
    return None if set(seconds) <= {None} else seconds


def _find_typical(images: Mapping[Path, StoreImage]) -> Path:
    """Return the first store of the commonest shape and dtype, so that an odd one is not taken for the rule."""
    kinds = {
        path: (*(image.sizes[axis] for axis in "czyx"), _name_dtype(image.layout)) for path, image in images.items()
    }
    common = Counter(kinds.values()).most_common(1)[0][0]
    return next(path for path, kind in kinds.items() if kind == common)


def _name_dtype(layout: ArrayLayout) -> str:
    return str(layout.dtype.newbyteorder("=").name)


def _refuse_others(images: Mapping[Path, StoreImage], typical: Path, *, has_override: bool) -> None:
    """Refuse stores with other channels than the typical one, or of another voxel size."""
    first = images[typical]
    size = {} if has_override else first.metadata.voxel_size
    facts = {"path": str(typical), "files": 1, "order": None, "channels": first.metadata.channels, "voxel_size": size}
    for path, image in images.items():
        if image.sizes["c"] != first.sizes["c"]:
            raise InputError(
                f"{path}: it has {image.sizes['c']} channels, but {typical} has {first.sizes['c']}; leave one kind out "
                "with input.ignore"
            )
        channels = list(first.metadata.channels)
        is_several = first.sizes["c"] > 1
        if difference := explain_difference({**facts, "channels": channels if is_several else []}, image.metadata):
            raise InputError(f"{path}: {difference}")


def _split(
    volume: Volume,
    images: Mapping[Path, StoreImage],
    names: Mapping[tuple[str, int], str],
    timepoints: int,
    channels: int,
    fill: float | None,
    metadata: FileMetadata,
) -> Iterator[Volume]:
    """Yield the volumes that lie in the stores of one."""
    offsets = _list_seconds(metadata, timepoints)
    for t, c in product(range(timepoints), range(channels)):
        has_all = volume.tiles and all(t < images[piece.path].sizes["t"] for piece in volume.pieces)
        yield Volume(
            names[volume.channel, c],
            volume.timepoint * timepoints + t,
            None if volume.seconds is None or offsets[t] is None else volume.seconds + (offsets[t] or 0.0),
            tuple(
                Tile(tile.position, tuple(_select(images[piece.path], t, c, fill) for piece in tile.pieces))
                for tile in volume.tiles
            )
            if has_all
            else (),
        )


def _select(image: StoreImage, timepoint: int, channel: int, fill: float | None) -> Piece:
    is_fill = fill is not None and fill == image.layout.fill
    return Piece(image.layout.path, image.select(timepoint, channel, fill if is_fill else None))


def _list_seconds(metadata: FileMetadata, count: int) -> tuple[float | None, ...]:
    """Return the seconds from the first of so many timepoints of a store to each, as far as they are known."""
    if metadata.interval is None and count > 1:
        return (None,) * count
    return tuple(t * (metadata.interval or 0.0) for t in range(count))


def _find_colours(names: Mapping[tuple[str, int], str], colours: tuple[str, ...]) -> dict[str, str]:
    """Return the colour of each channel; none where two would have one, as where stores are of one channel each."""
    channels = {name: colours[index] for (_, index), name in names.items() if index < len(colours)}
    return channels if len(set(channels.values())) == len(channels) == len(names) else {}


def _describe(image: StoreImage) -> str:
    layout = image.layout
    sizes = " x ".join(map(str, layout.shape))
    chunk = " x ".join(map(str, layout.chunk))
    size = format_size(math.prod(layout.chunk) * layout.dtype.itemsize)
    axes = image.axes.replace("-", "?")
    return f"Zarr version {layout.version}: {sizes} ({axes}) in files of {chunk}, each {size} uncompressed."
