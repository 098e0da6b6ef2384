"""Names and places of everything under `results/NAME`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

CONFIG_FILE = "provenance/config.yaml"
README_FILE = "README.md"
REQUIREMENTS_FILE = "provenance/requirements.txt"
SNAKEFILE_COPY = "provenance/Snakefile"
VOLUMES_FILE = "provenance/volumes.csv"


def name_measured_psf(channel: str) -> str:
    """Return the path, within the results folder, of the copy of a channel's measured PSF."""
    return f"provenance/psf/{channel}.tif"


def shard_path(store: Path, level: int, index: Sequence[int]) -> Path:
    """Return the file of the volume at `index`, (t,) or (t, c), at one pyramid level of a store."""
    return store / f"{level}/c/{'/'.join(map(str, index))}/0/0/0"


class VolumeKey(NamedTuple):
    """One volume of a run."""

    kind: str  # raw or result
    channel: str
    timepoint: int  # index on the time axis

    def __str__(self) -> str:
        """Name the volume in a sentence, e.g. `raw CamA timepoint 3`."""
        return f"{self.kind} {self.label}"

    @property
    def label(self) -> str:
        """Channel and timepoint, for a sentence that names the kind otherwise."""
        return f"{self.channel} timepoint {self.timepoint}"

    @property
    def raw(self) -> "VolumeKey":
        """The raw volume of the same channel and timepoint."""
        return self._replace(kind="raw")


@dataclass(frozen=True)
class Results:
    """The folder `results/NAME` of one run."""

    folder: Path
    run: str = ""  # the run's name where the folder has another, as a copy or a link may

    @property
    def name(self) -> str:
        """The run's name."""
        return self.run or self.folder.name

    @property
    def store(self) -> Path:
        """The published OME-Zarr with the deconvolved volumes, (t, c, z, y, x)."""
        return self.folder / f"{self.name}.ome.zarr"

    @property
    def crate(self) -> Path:
        """The provenance, an RO-Crate."""
        return self.folder / "ro-crate-metadata.json"

    @property
    def files(self) -> Path:
        """Names of the TIFFs that the present run began with; others may arrive meanwhile."""
        return self.work_area / "files.json"

    @property
    def blocks(self) -> Path:
        """How many timepoints a job of this folder's runs handles."""
        return self.work_area / "blocks.json"

    @property
    def lock(self) -> Path:
        """Who works in this folder."""
        return self.folder / "lock.json"

    @property
    def work_area(self) -> Path:
        """What jobs leave for each other."""
        return self.folder / "work"

    @property
    def queue(self) -> Path:
        """What squeue last said of the run's SLURM jobs."""
        return self.work_area / "queue.json"

    @property
    def inventory(self) -> Path:
        """The table of the acquisition's files."""
        return self.folder / "inventory.csv"

    @property
    def report(self) -> Path:
        """The page that a person looks at."""
        return self.folder / "report.html"

    @property
    def pilot_page(self) -> Path:
        """Page on which a person chooses a method and its iterations."""
        return self.folder / "pilot.html"

    @property
    def pilot(self) -> Path:
        """Measurements of the pilot, as `run_pilot` returns them."""
        return self.folder / "pilot.json"

    @property
    def trials(self) -> Path:
        """What workers find out for the settings that are tried, until it stands in `channels`."""
        return self.work_area / "trials"

    @property
    def pilot_scratch(self) -> "Results":
        """What a pilot makes and removes again."""
        return Results(self.work_area / "pilot")

    def raw_store(self, channel: str) -> Path:
        """Return the published OME-Zarr with one channel's raw volumes, (t, z, y, x)."""
        return self.folder / "raw" / f"{channel}.ome.zarr"

    def psf(self, channel: str, suffix: str) -> Path:
        """Return a file about the PSF used for a channel: `.tif`, `.png` or `.json`."""
        return self.folder / "psf" / f"{channel}{suffix}"

    def work(self, kind: str, channel: str) -> Path:
        """Return where jobs write shards: Zarr arrays (t, z, y, x), one a pyramid level."""
        return self.folder / f"work/{kind}/{channel}"

    def shard(self, key: VolumeKey, level: int) -> Path:
        """Return the shard of one volume at one pyramid level in the work area."""
        return shard_path(self.work(key.kind, key.channel), level, (key.timepoint,))

    @property
    def channels(self) -> Path:
        """What was chosen from the pixels of each channel for all its volumes."""
        return self.folder / "records/channels.json"

    def record(self, key: VolumeKey) -> Path:
        """Return the record of one volume."""
        return self.folder / f"records/{key.kind}/{key.channel}/t{key.timepoint:04d}.json"

    def manifest(self, name: str) -> Path:
        """Return the small JSON file that Snakemake sees as a job's output."""
        return self.work_area / "manifests" / f"{name}.json"

    def status(self, block: str) -> Path:
        """Return where the coordinator of a block says how far it is."""
        return self.work_area / "status" / f"{block}.json"
