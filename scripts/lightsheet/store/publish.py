"""Publication: a store is assembled from finished volumes beside the old one, validated, and swapped in whole."""

import errno
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lightsheet.store.paths import shard_path
from lightsheet.store.volumes import StoreLayout, write_array_metadata
from lightsheet.system import (
    PART,
    PROGRESS_SECONDS,
    InputError,
    Progress,
    find_existing_parent,
    logger,
    make_part_name,
    name_disk,
    repair_swap,
    swap_folders,
    write_json,
    write_text,
    write_whole,
)

NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EMLINK}
"""How file systems say that they make no hard link here; any other error of a link is an error."""


def publish_store(
    place: Path,
    volumes: Sequence[tuple[Path, int, tuple[int, ...]]],
    layout: StoreLayout,
    leading: tuple[int, ...],
    attributes: Mapping[str, Any],
) -> None:
    """Assemble a store from finished volumes beside `place`, and swap it in.

    Readers see the whole old store or the whole new one. Where the file system cannot exchange two names, as NFS, they
    see none while a folder is renamed: milliseconds, or on other clients of NFS as long as they cache names, up to a
    minute. A kill at that moment leaves none until the next run, which calls `repair_store` first.

    Parameters
    ----------
    place : Path, the store; an older one stays readable until the swap and is then removed
    volumes : sequence of (Path, int, tuple of int), per volume the work area of its channel, its timepoint there,
        and its index in the store, (t,) or (t, c)
    layout : StoreLayout, of the volumes
    leading : tuple of int, extent of the store's axes before (z, y, x)
    attributes : mapping, of the group: `ome` and `lightsheet`
    """
    repair_store(place)
    draft = make_part_name(place)
    try:
        _assemble(draft, place.name, volumes, layout, leading, attributes)
        validate_store(draft)
        with name_disk(place):
            swap_folders(draft, place)
    finally:
        remove_store(draft)


def repair_store(place: Path) -> None:
    """Put right what a killed `publish_store` left: the old store back in its place, and nothing beside it.

    A leftover that cannot be removed (NFS keeps files that somebody reads) stays: it is in nobody's way.
    """
    if not place.parent.is_dir():
        return
    repair_swap(place)
    for path in place.parent.iterdir():
        if path.name.startswith(f"{PART}{place.name}"):
            remove_store(path)


def remove_store(path: Path) -> None:
    """Remove a store, as far as that can be done."""
    with suppress(OSError):
        path.unlink() if path.is_file() else shutil.rmtree(path)


def _assemble(
    draft: Path,
    name: str,
    volumes: Sequence[tuple[Path, int, tuple[int, ...]]],
    layout: StoreLayout,
    leading: tuple[int, ...],
    attributes: Mapping[str, Any],
) -> None:
    """Make a store of metadata and of links to the shards; arguments as for `publish_store`."""
    write_json(draft / "zarr.json", {"zarr_format": 3, "node_type": "group", "attributes": attributes})
    axes = "tczyx"[: len(leading)] + "zyx"
    for number, level in enumerate(layout.levels):
        write_array_metadata(draft / str(number), level, leading, layout, axes)
    progress, is_copying = Progress(f"publish {name}", len(volumes), pause=PROGRESS_SECONDS), False
    for work, timepoint, index in volumes:
        for number in range(len(layout.levels)):
            shard, target = shard_path(work, number, (timepoint,)), shard_path(draft, number, index)
            with name_disk(target):
                is_copying = _link_or_copy(shard, target, is_copying)
        progress.step(f"index {index}")


def _link_or_copy(source: Path, target: Path, is_copying: bool) -> bool:
    """Hard-link a shard, or copy it where the file system has no hard links; return whether it was copied."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if not is_copying:  # warn once
            logger.warning("%s: copied, because it cannot be hard-linked (%s)", target, error.strerror)
        _copy(source, target)
        return True
    return False


def _copy(source: Path, target: Path) -> None:
    with write_whole(target) as part:
        shutil.copyfile(source, part)
        if (copy_bytes := part.stat().st_size) != (source_bytes := source.stat().st_size):
            raise InputError(f"{target}: {copy_bytes} of {source_bytes} bytes were copied; run the same command again")


def makes_links(work: Path, place: Path) -> bool:
    """Tell whether shards can be hard-linked from a work area to a store, by linking an empty file for a moment.

    Where they cannot, `publish_store` copies: the volumes then need room a second time. Of folders that are not there
    those above them are tried.
    """
    source = make_part_name(find_existing_parent(work) / "link")
    target = make_part_name(find_existing_parent(place.parent) / place.name)
    try:
        with name_disk(target):
            source.touch()
            os.link(source, target)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        return False
    finally:
        for path in (source, target):
            path.unlink(missing_ok=True)
    return True


def validate_store(store: Path) -> None:
    """Check the metadata with the two validators of the field; neither reads shards."""
    import yaozarrs
    import zarr
    from ome_zarr_models import open_ome_zarr

    # A copy of the metadata, because fsspec (inside yaozarrs) takes brackets in the store's path for a pattern.
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "store.ome.zarr"
        for path in (store / "zarr.json", *store.glob("*/zarr.json")):
            write_text(copy / path.relative_to(store), path.read_text(encoding="utf-8"))
        yaozarrs.validate_zarr_store(str(copy))
        open_ome_zarr(zarr.open_group(copy, mode="r"))
