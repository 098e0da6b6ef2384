"""What a run still has to do, counted in volumes: per job of ingest and of deconvolve."""

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lightsheet.run import Run, estimate_psf_shape, find_backlog
from lightsheet.store import Shape
from lightsheet.system import read_json


class Block(NamedTuple):
    """What a deconvolve job still has to do, and for which ingest jobs it waits, by manifest."""

    volumes: int
    after: tuple[str, ...]


class Work(NamedTuple):
    """What is still to be done; `psf_shape` is (z, y, x) of the largest PSF at the voxel size of the volumes."""

    run: Run
    psf_shape: Shape
    tiff_bytes: int
    ingest: Mapping[str, int]  # volumes of each job, by manifest
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
        return len(self.run.channels) * len(self.run.timepoints)

    def count_due(self, kind: str) -> int:
        """Count the raw or result volumes that are still to be made."""
        if kind == "raw":
            return sum(self.ingest.values())
        return sum(block.volumes for block in self.blocks)


def find_work(run: Run) -> Work:
    """Count what is to be done, as the Snakefile finds it."""
    backlog, volumes = find_backlog(run), Counter[str]()
    for key in run.list_keys():
        volumes[run.find_manifest(key)] += key in backlog.volumes if key.kind == "raw" else backlog.has(key)

    def has_job(manifest: str) -> bool:
        """Of a job whose manifest is missing, Snakemake makes that, if anything that needs it is to be made."""
        return bool(volumes[manifest] or (backlog.publication and not Path(manifest).exists()))

    deconvolve = {run.name_deconvolve_manifest(block): block for block in run.blocks}
    ingest = {manifest: volumes[manifest] for manifest in run.list_manifests() if manifest not in deconvolve}
    ingest = {manifest: number for manifest, number in ingest.items() if has_job(manifest)}
    blocks = [
        Block(volumes[manifest], tuple(job for job in run.list_ingest_manifests(block) if job in ingest))
        for manifest, block in deconvolve.items()
        if has_job(manifest)
    ]
    raw_bytes = len(run.acquisition.volumes) * math.prod(run.shape) * np.dtype(run.dtype).itemsize
    return Work(
        run=run,
        psf_shape=_find_psf_shape(run),
        tiff_bytes=sum(stat.bytes for stat in run.file_stats.values()) or raw_bytes,  # an imagined run has no files
        ingest=ingest,
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
        psf_facts = read_json(run.results.psf(channel, ".json"))
        shapes.append(psf_facts["shape"] if psf_facts else estimate_psf_shape(run, channel))
    z, y, x = np.max([(1, 1, 1), *filter(None, shapes)], axis=0).tolist()
    return z, y, x
