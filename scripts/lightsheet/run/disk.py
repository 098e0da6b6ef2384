"""Whether the disk has room for what a run will write."""

import os
from itertools import accumulate
from pathlib import Path

from lightsheet.run.backlog import Backlog, find_backlog
from lightsheet.run.publication import list_stores
from lightsheet.run.run import KINDS, Run
from lightsheet.store import VolumeKey, makes_links
from lightsheet.system import InputError, find_existing_parent, format_size, logger, read_free_bytes


def count_bytes_due(run: Run, backlog: Backlog) -> int:
    """Return the bytes that the volumes of a backlog take at most in the work area.

    Those of a channel for which something is still to be chosen may all be done again.
    """
    kinds = KINDS if run.keeps_raw else ("result",)
    return sum(
        run.layouts[key.kind].count_volume_bytes()
        for key in run.list_keys()
        if key.kind in kinds and (backlog.has(key) or (key.kind == "result" and key.channel in backlog.choices))
    )


def check_folder(run: Run, size: int, parts: str = "volumes with their pyramids") -> None:
    """Refuse a results folder that cannot be made, or whose disk has less than so many bytes free for its `parts`."""
    results = run.results.folder
    folder = find_existing_parent(results)
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise InputError(
            f"config key output.folder: {results} cannot be made, because {folder} is not a folder "
            "that you may write to"
        )
    free = read_free_bytes(results)
    if size > free:
        raise InputError(
            f"{results} needs up to {format_size(size)} more ({parts}, not compressed), but its disk has "
            f"{format_size(free)} free: make room, or name another disk in output.folder"
        )


def check_copies(run: Run) -> None:
    """Refuse a disk on which a run's volumes fit, but not the copies that readers get where no hard links can be made.

    What the file system can is tried, so this must not be called where nothing may be written.
    """
    stores = list_stores(run)
    if all(makes_links(run.results.work_area, store) for store in stores):
        return
    backlog = find_backlog(run)
    copies = _count_copies(run, backlog)
    if not copies:
        return
    check_folder(
        run,
        count_bytes_due(run, backlog) + copies,
        "volumes, and copies of them for readers, because its file system makes no hard links",
    )
    logger.warning(
        "%s: its file system makes no hard links, so readers get copies of the volumes, which take at most %s more",
        run.results.folder,
        format_size(copies),
    )


def _count_copies(run: Run, backlog: Backlog) -> int:
    """Return the most bytes that copies take beyond those of today: an old store stays until the new one is whole."""
    stores = list_stores(run)
    new_bytes = [sum(_measure_volume(run, backlog, key) for key in keys) for keys in stores.values()]
    old_bytes = [_measure_folder(store) for store in stores]
    growth = accumulate(n - o for n, o in zip(new_bytes, old_bytes, strict=True))
    peak = max(after + o for after, o in zip(growth, old_bytes, strict=True))
    return peak if backlog.publication else 0


def _measure_volume(run: Run, backlog: Backlog, key: VolumeKey) -> int:
    if backlog.has(key):
        return run.layouts[key.kind].count_volume_bytes()
    return sum(shard["bytes"] for shard in backlog.done[key]["shards"])


def _measure_folder(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
