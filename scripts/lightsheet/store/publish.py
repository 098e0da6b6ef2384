"""Publication: a store is assembled from finished volumes beside the old one, validated, and swapped in whole."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import zarr

from lightsheet.store.paths import shard_path
from lightsheet.store.volumes import StoreLayout, write_array_metadata
from lightsheet.system import PART, PROGRESS_SECONDS, Progress, logger, swap_folders, write_json


def publish_store(
    place: Path,
    volumes: Sequence[tuple[Path, int, tuple[int, ...]]],
    layout: StoreLayout,
    leading: tuple[int, ...],
    attributes: Mapping[str, Any],
) -> None:
    """Assemble a store from finished volumes beside `place`, and swap it in.

    Parameters
    ----------
    place : Path, the store; an older one stays readable until the swap and is then removed
    volumes : sequence of (Path, int, tuple of int), per volume the work area of its channel, its timepoint there,
        and its index in the store, (t,) or (t, c)
    layout : StoreLayout, of the volumes
    leading : tuple of int, extent of the store's axes before (z, y, x)
    attributes : mapping, of the group: `ome` and `lightsheet`
    """
    new = place.with_name(f"{PART}{place.name}")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    write_json(new / "zarr.json", {"zarr_format": 3, "node_type": "group", "attributes": attributes})
    axes = "tczyx"[: len(leading)] + "zyx"
    for number, level in enumerate(layout.levels):
        write_array_metadata(new / str(number), level, leading, layout, axes)
    progress, is_copying = Progress(f"publish {place.name}", len(volumes), pause=PROGRESS_SECONDS), False
    for work, timepoint, index in volumes:
        for number in range(len(layout.levels)):
            shard, target = shard_path(work, number, (timepoint,)), shard_path(new, number, index)
            is_copying = _link_or_copy(shard, target, is_copying)
        progress.step(f"index {index}")
    _validate(new)
    swap_folders(new, place)
    shutil.rmtree(new, ignore_errors=True)


def _link_or_copy(source: Path, target: Path, is_copying: bool) -> bool:
    """Hard-link a shard, or copy it where the file system has no hard links; return whether it was copied."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError as error:
        if not is_copying:  # warn once
            logger.warning("%s: copied, because it cannot be hard-linked (%s)", target, error.strerror)
        shutil.copyfile(source, target)
        return True
    return False


def _validate(store: Path) -> None:
    """Check the metadata with the two validators of the field; neither reads shards."""
    import yaozarrs
    from ome_zarr_models import open_ome_zarr

    # A copy of the metadata, because fsspec (inside yaozarrs) takes brackets in the store's path for a pattern.
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "store.ome.zarr"
        shutil.copytree(store, copy, ignore=shutil.ignore_patterns("c"))
        yaozarrs.validate_zarr_store(str(copy))
        open_ome_zarr(zarr.open_group(copy, mode="r"))
