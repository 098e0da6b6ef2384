"""The first look at a run's images, in TIFFs or in Zarr stores: which volumes there are, and what one of them says."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from lightsheet.acquisition import Acquisition, Tile, list_stack_pieces, unfold_hyperstack
from lightsheet.run.prepare_stores import StoredImages, open_stores
from lightsheet.sources import FileMetadata, SourceStats, open_stack, read_metadata
from lightsheet.system import InputError


class Images(NamedTuple):
    """What the images say of themselves."""

    acquisition: Acquisition  # all volumes, those of one file unfolded
    metadata: FileMetadata
    tile: Tile  # the one whose files the metadata are of
    stores: StoredImages | None  # where they are no TIFFs


def open_images(
    config: dict[str, Any], acquisition: Acquisition, stats: SourceStats, files: Mapping[str, Any], *, in_job: bool
) -> Images:
    """Look at the images of an acquisition, as `discover` has listed them.

    Parameters
    ----------
    config : dict, checked; of stores see `open_stores`
    acquisition : Acquisition, from `discover`
    stats : SourceStats, of the run
    files : mapping, what an earlier run has written down of its files; in a job, this one
    in_job : bool, as for `prepare_run`
    """
    section = config["input"]
    if acquisition.stores:
        stores = open_stores(config, acquisition, stats, files.get("stores"), in_job=in_job)
        tile = next(tile for volume in stores.acquisition.volumes for tile in volume.tiles)
        return Images(stores.acquisition, stores.opened.metadata, tile, stores)
    if section["image"] != "auto":
        raise InputError("config key input.image: it chooses an image of a Zarr store, and input.folder holds TIFFs")
    tile = _find_typical_tile(acquisition, stats)
    metadata = read_metadata(*(piece.path for piece in tile.pieces))
    return Images(unfold_hyperstack(acquisition, section["axes"], tile, metadata), metadata, tile, None)


def measure_tiles(images: Images, stats: SourceStats) -> tuple[tuple[int, ...], str]:
    """Return the shape (z, y, x) and the dtype of a tile, of most of them if some are different."""
    if images.stores:  # which were all compared with each other
        return images.stores.opened.shape, images.stores.opened.dtype
    with open_stack(list_stack_pieces(_find_typical_tile(images.acquisition, stats).pieces)) as stack:
        shape, dtype = stack.shape, stack.dtype.name
    return shape, dtype


def refuse_planes(images: Images, depth: int) -> None:
    """Refuse single planes that are taken for volumes, and planes of which a file holds several."""
    path, files = images.tile.pieces[0].path, len(images.tile.pieces)
    if images.acquisition.has_planes and depth != files:
        raise InputError(
            f"{path}: its name says that it is a single plane, but the {files} files of its "
            f"volume hold {depth}; write {{part}} for {{plane}} if each continues the one before, or {{timepoint}}"
        )
    if depth == 1:
        raise InputError(
            f"{path}: it is a single plane, and a volume is a stack; if the number in the names counts "
            "planes, write {plane} there, in a template (input.pattern)"
        )


def _find_typical_tile(acquisition: Acquisition, stats: SourceStats) -> Tile:
    """Return a tile of the most common size in bytes, so that one file of another size is not taken for the rule."""
    tiles = [tile for volume in acquisition.volumes for tile in volume.tiles]
    totals = [sum(stats[piece].bytes for piece in tile.pieces) for tile in tiles]
    return tiles[totals.index(Counter(totals).most_common(1)[0][0])]
