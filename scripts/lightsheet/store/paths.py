"""Names and places of everything under `results/NAME`."""

from dataclasses import dataclass
from pathlib import Path

CONFIG_FILE = "provenance/config.yaml"
README_FILE = "README.md"
REQUIREMENTS_FILE = "provenance/requirements.txt"
SNAKEFILE_COPY = "provenance/Snakefile"
VOLUMES_FILE = "provenance/volumes.csv"


def name_measured_psf(channel: str) -> str:
    """Name, from the results folder, the copy of the image from which a channel's PSF was prepared."""
    return f"provenance/psf/{channel}.tif"


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

    def record(self, kind: str, channel: str, timepoint: int) -> Path:
        """Return the record of one volume; `kind` is raw or result."""
        return self.folder / "records" / kind / channel / f"t{timepoint:04d}.json"

    def manifest(self, name: str) -> Path:
        """Return the small JSON that Snakemake sees of a job's work."""
        return self.folder / "work" / "manifests" / f"{name}.json"
