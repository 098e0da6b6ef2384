"""What a run still has to do, counted in volumes: per block to ingest and to deconvolve."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lightsheet.run import Run, estimate_psf_shape, find_lost_work, is_stored
from lightsheet.store import Shape, VolumeKey
from lightsheet.system import read_json, stat_file

PSF_FILES = (".tif", ".png", ".json")


class Block(NamedTuple):
    """Volumes that the jobs of one block still have to do: `ingest` has one job a channel; None: no such job."""

    ingest: tuple[int | None, ...]
    deconvolve: int | None


class Work(NamedTuple):
    """What is still to be done; `psf_shape` is (z, y, x) of the largest PSF at the voxel size of the volumes."""

    run: Run
    psf_shape: Shape
    tiff_bytes: int
    blocks: tuple[Block, ...]
    psfs: int
    inventory: bool
    publish: bool
    report: bool

    @property
    def method(self) -> Any:
        """The section `deconvolution` of the configuration."""
        return self.run.config["deconvolution"]

    @property
    def volumes(self) -> int:
        """Number of volumes, finished ones included."""
        return len(self.run.channels) * self.run.acquisition.timepoints

    def count_due(self, kind: str) -> int:
        """Count the raw or result volumes that are still to be made."""
        if kind == "raw":
            return sum(volumes or 0 for block in self.blocks for volumes in block.ingest)
        return sum(block.deconvolve or 0 for block in self.blocks)


def find_work(run: Run) -> Work:
    """Compare the records, manifests and shards of a run with its configuration.

    A changed number of iterations is noticed, and what a killed run had done; not what Snakemake finds by comparing
    TIFFs and PSFs with those of the last run.
    """
    lost = find_lost_work(run)

    def is_due(manifest: str) -> bool:
        return manifest in lost or not Path(manifest).exists()

    blocks = []
    for block, timepoints in run.blocks.items():
        ingest, results = [], 0
        for channel in run.channels:
            raw = [t for t in timepoints if not is_stored(run, VolumeKey("raw", channel, t))]
            results += sum(t in raw or not _is_deconvolved(run, VolumeKey("result", channel, t)) for t in timepoints)
            ingest.append(len(raw) if raw or is_due(run.name_ingest_manifest(channel, block)) else None)
        has_ingest = any(volumes is not None for volumes in ingest)
        has_job = results or has_ingest or is_due(run.name_deconvolve_manifest(block))
        blocks.append(Block(tuple(ingest), results if has_job else None))
    inventory = not (run.results.folder / "inventory.csv").exists()
    has_jobs = inventory or any(block.deconvolve is not None for block in blocks)
    publish = has_jobs or is_due(str(run.results.manifest("consolidate")))
    psfs = [all(run.results.psf(channel, suffix).exists() for suffix in PSF_FILES) for channel in run.channels]
    paths = {piece.path for volume in run.acquisition.volumes for piece in volume.pieces}  # none if it is imagined
    uncompressed = len(run.acquisition.volumes) * math.prod(run.shape) * np.dtype(run.dtype).itemsize
    return Work(
        run=run,
        psf_shape=_find_psf_shape(run),
        tiff_bytes=sum(stat_file(path).st_size for path in paths) or uncompressed,
        blocks=tuple(blocks),
        psfs=psfs.count(False),
        inventory=inventory,
        publish=publish,
        report=publish or not (run.results.folder / "report.html").exists(),
    )


def _is_deconvolved(run: Run, volume: VolumeKey) -> bool:
    """Tell whether a result is there, with the settings of the configuration."""
    if not is_stored(run, volume):
        return False
    settings, record = run.settings, read_json(run.results.record(volume)) or {}
    settings = {**settings, "background": settings["background"][volume.channel]}
    if settings["engine"] == "auto":
        del settings["engine"]
    return all(record["settings"].get(key) == value for key, value in settings.items())


def _find_psf_shape(run: Run) -> Shape:
    """Return the shape of the largest PSF: as prepared, or else as estimated from its file."""
    shapes = []
    for channel in run.channels:
        prepared = read_json(run.results.psf(channel, ".json"))
        shapes.append(prepared["shape"] if prepared else estimate_psf_shape(run, channel))
    z, y, x = np.max([(1, 1, 1), *filter(None, shapes)], axis=0).tolist()
    return z, y, x
