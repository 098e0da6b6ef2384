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
    """Name, from the results folder, the copy of the image from which a channel's PSF was prepared."""
    return f"provenance/psf/{channel}.tif"


def shard_path(store: Path, level: int, index: Sequence[int]) -> Path:
    """Return the file of the volume at `index`, (t,) or (t, c), at one pyramid level of a store."""
    return store.joinpath(str(level), "c", *map(str, index), "0", "0", "0")


class VolumeKey(NamedTuple):
    """Which volume of a run.

    Parameters
    ----------
    kind : str
        `raw` or `result`.
    channel : str
        Its channel.
    timepoint : int
        Index on the time axis.
    """

    kind: str
    channel: str
    timepoint: int

    def __str__(self) -> str:
        """Name the volume in a sentence, e.g. `raw CamA timepoint 3`."""
        return f"{self.kind} {self.label}"

    @property
    def label(self) -> str:
        """Channel and timepoint in a sentence that is about both kinds or says which."""
        return f"{self.channel} timepoint {self.timepoint}"

    @property
    def raw(self) -> "VolumeKey":
        """The raw volume of the same channel and timepoint."""
        return self._replace(kind="raw")


@dataclass(frozen=True)
class Results:
    """The folder of one run's results.

    Parameters
    ----------
    folder : Path
        `results/NAME`.
    """

    folder: Path

    @property
    def name(self) -> str:
        """The run's name."""
        return self.folder.name

    @property
    def store(self) -> Path:
        """The published OME-Zarr with the deconvolved volumes, (t, c, z, y, x)."""
        return self.folder / f"{self.name}.ome.zarr"

    @property
    def crate(self) -> Path:
        """The provenance, an RO-Crate."""
        return self.folder / "ro-crate-metadata.json"

    @property
    def provenance(self) -> list[Path]:
        """Every file of the provenance."""
        return [
            self.crate,
            *(
                self.folder / name
                for name in (README_FILE, CONFIG_FILE, REQUIREMENTS_FILE, SNAKEFILE_COPY, VOLUMES_FILE)
            ),
        ]

    @property
    def files(self) -> Path:
        """The names of the TIFFs that the run under way began with; others may arrive meanwhile."""
        return self.folder / "work" / "files.json"

    @property
    def pilot_page(self) -> Path:
        """What a person looks at to choose a method and its iterations."""
        return self.folder / "pilot.html"

    @property
    def pilot(self) -> Path:
        """What the pilot measured, as `lightsheet.planning.pilot.run_pilot` returns it."""
        return self.folder / "pilot.json"

    def raw_store(self, channel: str) -> Path:
        """Return the published OME-Zarr with one channel's raw volumes, (t, z, y, x)."""
        return self.folder / "raw" / f"{channel}.ome.zarr"

    def psf(self, channel: str, suffix: str) -> Path:
        """Return a file about the PSF used for a channel: `.tif`, `.png` or `.json`."""
        return self.folder / "psf" / f"{channel}{suffix}"

    def work(self, kind: str, channel: str) -> Path:
        """Return where jobs write shards: Zarr arrays (t, z, y, x), one a pyramid level; `kind` is raw or result."""
        return self.folder / "work" / kind / channel

    def shard(self, key: VolumeKey, level: int) -> Path:
        """Return the shard of one volume at one pyramid level in the work area."""
        return shard_path(self.work(key.kind, key.channel), level, (key.timepoint,))

    def record(self, key: VolumeKey) -> Path:
        """Return the record of one volume."""
        return self.folder / "records" / key.kind / key.channel / f"t{key.timepoint:04d}.json"

    def manifest(self, name: str) -> Path:
        """Return the small JSON that Snakemake sees of a job's work."""
        return self.folder / "work" / "manifests" / f"{name}.json"
