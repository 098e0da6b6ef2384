"""What a run still has to do, counted in volumes: per block to ingest and to deconvolve."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lightsheet.run import Run, estimate_psf_shape, find_backlog
from lightsheet.store import Shape, VolumeKey
from lightsheet.system import read_json


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
    """Count what is to be done, as the Snakefile finds it."""
    backlog = find_backlog(run)

    def count_if_job(volumes: int, manifest: str) -> int | None:
        """Of a job whose manifest is missing, Snakemake makes that, if anything that needs it is to be made."""
        return volumes if volumes or (backlog.publication and not Path(manifest).exists()) else None

    blocks = []
    for block, timepoints in run.blocks.items():
        ingest, results = [], 0
        for channel in run.channels:
            raw = sum(VolumeKey("raw", channel, t) in backlog.volumes for t in timepoints)
            results += sum(backlog.has(VolumeKey("result", channel, t)) for t in timepoints)
            ingest.append(count_if_job(raw, run.name_ingest_manifest(channel, block)))
        blocks.append(Block(tuple(ingest), count_if_job(results, run.name_deconvolve_manifest(block))))
    uncompressed = len(run.acquisition.volumes) * math.prod(run.shape) * np.dtype(run.dtype).itemsize
    return Work(
        run=run,
        psf_shape=_find_psf_shape(run),
        tiff_bytes=sum(size for size, _ in run.file_stats.values()) or uncompressed,  # no files if it is imagined
        blocks=tuple(blocks),
        psfs=len(backlog.psfs),
        inventory=backlog.inventory,
        publish=bool(backlog.publication),
        report=backlog.report,
    )


def _find_psf_shape(run: Run) -> Shape:
    """Return the shape of the largest PSF: as prepared, or else as estimated from its file."""
    shapes = []
    for channel in run.channels:
        prepared = read_json(run.results.psf(channel, ".json"))
        shapes.append(prepared["shape"] if prepared else estimate_psf_shape(run, channel))
    z, y, x = np.max([(1, 1, 1), *filter(None, shapes)], axis=0).tolist()
    return z, y, x
