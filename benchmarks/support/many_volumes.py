"""A run of many volumes without the work: one volume is done, and its files get the names of the others as well."""

import os
from pathlib import Path

from lightsheet.simulation.simulate import name_volume
from lightsheet.store import Results, VolumeKey
from lightsheet.store.paths import shard_path


def multiply_source(data: Path, name: str, timepoints: int) -> None:
    """Give the first channel's first file the names of all timepoints."""
    for timepoint in range(1, timepoints):
        os.link(data / name_volume(name, 0, 0), data / name_volume(name, 0, timepoint))


def multiply_results(results: Results, name: str, channel: str, timepoints: int) -> None:
    """Do the same with the shards and records of the first volume."""
    for kind in ("raw", "result"):
        record = results.record(VolumeKey(kind, channel, 0)).read_text()
        store = results.work(kind, channel)
        for timepoint in range(1, timepoints):
            text = record.replace(name_volume(name, 0, 0), name_volume(name, 0, timepoint))
            results.record(VolumeKey(kind, channel, timepoint)).write_text(text)
            shard = shard_path(store, 0, (timepoint,))
            shard.parent.mkdir(parents=True)
            os.link(shard_path(store, 0, (0,)), shard)
