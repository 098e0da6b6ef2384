"""Where a pilot works: a folder like that of a run's results, below `work`, which is gone at the end."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lightsheet.store import Results, VolumeKey


@dataclass(frozen=True)
class PilotResults(Results):
    """Where a pilot works: results of a run, but each trial has its own, for workers do several at a time.

    Parameters
    ----------
    trial : str
        Its name; what is ingested is there for all.
    """

    trial: str = ""

    def work(self, kind: str, channel: str) -> Path:
        """Return where shards are written."""
        place = super().work(kind, channel)
        return place / self.trial if kind == "result" else place

    def record(self, key: VolumeKey) -> Path:
        """Return the record of one volume."""
        place = super().record(key)
        return place.parent / self.trial / place.name if key.kind == "result" else place

    @property
    def numbers(self) -> Path:
        """What was measured, JSON."""
        return self.folder / "found" / f"{self.trial}.json"

    @property
    def planes(self) -> Path:
        """What is shown: `xy` and `xz`, float32 counts."""
        return self.folder / "found" / f"{self.trial}.npz"


@contextmanager
def make_scratch(results: Results) -> Iterator[PilotResults]:
    """Make the pilot's folder, empty whatever a killed pilot left, and remove it at the end."""
    place = PilotResults(results.folder / "work" / "pilot")
    shutil.rmtree(place.folder, ignore_errors=True)
    place.folder.mkdir(parents=True)
    try:
        yield place
    finally:
        shutil.rmtree(place.folder, ignore_errors=True)
