"""Manifests: what Snakemake sees of a job, with copies of its volumes' records, because to open thousands takes long.

A copy counts only while the record's file has the size and time that it had when it was copied. So a manifest may be
missing, or of an earlier run: the records are then read one by one.
"""

import errno
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lightsheet.store.paths import Results, VolumeKey
from lightsheet.store.records import Record, is_record, read_record
from lightsheet.system import name_unreadable, read_json

Stat = list[int]
"""Size in bytes and time of modification in ns of a record's file."""

NO_FILE = {errno.ENOENT, errno.ELOOP}
"""How a name of a listing turns out to be no file: another process has removed it, or it is a link to nothing."""


def make_manifest(results: Results, keys: Iterable[VolumeKey]) -> dict[str, Any]:
    """Return the content of a job's manifest: the records of its volumes, as they are on the disk.

    Parameters
    ----------
    results : Results
    keys : iterable of VolumeKey, the job's volumes, which are done
    """
    manifest = {}
    for key in keys:
        stat = results.record(key).stat()  # before it is read, so that a record written meanwhile is read again
        manifest[str(key)] = {"stat": [stat.st_size, stat.st_mtime_ns], "record": read_record(results, key)}
    return manifest


def read_records(
    results: Results, keys: Iterable[VolumeKey], manifests: Iterable[Path]
) -> dict[VolumeKey, Record | None]:
    """Read the records of many volumes; None where there is none.

    Parameters
    ----------
    results : Results
    keys : iterable of VolumeKey
    manifests : iterable of Path, the manifests in which copies of the records may be
    """
    copies: dict[str, Any] = {}
    for manifest in manifests:
        content = read_json(manifest)
        copies |= content if isinstance(content, dict) else {}
    stats: dict[Path, dict[str, Stat]] = {}
    records: dict[VolumeKey, Record | None] = {}
    for key in keys:
        path = results.record(key)
        if path.parent not in stats:
            stats[path.parent] = _list_stats(path.parent)
        stat, copy = stats[path.parent].get(path.name), copies.get(str(key))
        if stat and isinstance(copy, dict) and copy.get("stat") == stat and is_record(copy.get("record")):
            records[key] = copy["record"]
        else:
            records[key] = read_record(results, key) if stat else None
    return records


def _list_stats(folder: Path) -> dict[str, Stat]:
    """Return the size and time of each file of a folder; over NFS a listing brings them along."""
    with name_unreadable(folder):
        try:
            with os.scandir(folder) as entries:
                stats = {entry.name: _read_stat(entry) for entry in entries}
        except (FileNotFoundError, NotADirectoryError):
            return {}
    return {name: stat for name, stat in stats.items() if stat}


def _read_stat(entry: os.DirEntry[str]) -> Stat | None:
    """Return the size and time of a file in a listing; None if it is no file."""
    try:
        stat = entry.stat()
    except OSError as error:
        if error.errno not in NO_FILE:
            raise
        return None
    return [stat.st_size, stat.st_mtime_ns]
