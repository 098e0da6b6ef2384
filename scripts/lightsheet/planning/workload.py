"""What a run still has to do, in numbers: volumes a job, their size, and the files and bytes that they become."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lightsheet.run import KINDS, Run, estimate_psf_shape, find_lost_work, is_stored
from lightsheet.store import VolumeKey, read_record
from lightsheet.system import read_json, stat_file

Shape = tuple[int, int, int]

PSF_FILES = (".tif", ".png", ".json")
TEXTS = 14
"""Small files of a run, besides those that a job, a channel or a volume has."""


class Block(NamedTuple):
    """The volumes that the jobs of one block still have to do: `ingest` per job, one a channel; None: no such job."""

    ingest: tuple[int | None, ...]
    deconvolve: int | None


class Work(NamedTuple):
    """What is still to be done.

    Parameters
    ----------
    run : Run
        The run.
    psf_shape : tuple of int
        (z, y, x) of the largest PSF, at the voxel size of the volumes.
    tiff_bytes : int
        Of all files.
    blocks : tuple of Block
        By timepoint.
    psfs : int
        How many are still to be prepared.
    inventory, publish, report : bool
        Whether it is still to be written, the stores are to be published, and their page is to be made.
    """

    run: Run
    psf_shape: Shape
    tiff_bytes: int
    blocks: tuple[Block, ...]
    psfs: int
    inventory: bool
    publish: bool
    report: bool

    @property
    def method(self) -> Mapping[str, Any]:
        """The section `deconvolution` of the configuration."""
        section: Mapping[str, Any] = self.run.config["deconvolution"]
        return section

    @property
    def volumes(self) -> int:
        """How many there are, done ones included."""
        return len(self.run.channels) * self.run.acquisition.timepoints

    def todo(self, kind: str) -> int:
        """Count the raw or result volumes that are still to be made."""
        raw = sum(volumes or 0 for block in self.blocks for volumes in block.ingest)
        return raw if kind == "raw" else sum(block.deconvolve or 0 for block in self.blocks)


def find_work(run: Run) -> Work:
    """Find out what a run still has to do.

    Parameters
    ----------
    run : Run
        The plan. Its records and manifests are looked at, and the sizes of its shards and files.

    Returns
    -------
    Work
        A changed number of iterations is noticed, and what a killed run had done; not what Snakemake finds by
        comparing TIFFs and PSFs with those of the last run.
    """
    lost = find_lost_work(run)

    def is_due(manifest: str) -> bool:
        return manifest in lost or not Path(manifest).exists()

    blocks = []
    for block, timepoints in run.blocks.items():
        ingest, results = [], 0
        for channel in run.channels:
            raw = [t for t in timepoints if not is_stored(run, VolumeKey("raw", channel, t))]
            results += sum(t in raw or not _is_restored(run, VolumeKey("result", channel, t)) for t in timepoints)
            ingest.append(len(raw) if raw or is_due(run.name_ingest_manifest(channel, block)) else None)
        due = results or any(n is not None for n in ingest) or is_due(run.name_deconvolve_manifest(block))
        blocks.append(Block(tuple(ingest), results if due else None))
    inventory = not (run.results.folder / "inventory.csv").exists()
    started = inventory or any(block.deconvolve is not None for block in blocks)
    publish = started or is_due(str(run.results.manifest("consolidate")))
    psfs = [all(run.results.psf(channel, suffix).exists() for suffix in PSF_FILES) for channel in run.channels]
    return Work(
        run=run,
        psf_shape=_psf_shape(run),
        tiff_bytes=_tiff_bytes(run),
        blocks=tuple(blocks),
        psfs=psfs.count(False),
        inventory=inventory,
        publish=publish,
        report=publish or not (run.results.folder / "report.html").exists(),
    )


def _is_restored(run: Run, key: VolumeKey) -> bool:
    """Tell whether a result is there, of the settings that are asked for."""
    if not is_stored(run, key):
        return False
    settings, record = run.settings, read_record(run.results.record(key)) or {}
    asked = {**settings, "background": settings["background"][key.channel]}
    if asked["engine"] == "auto":
        del asked["engine"]
    return all(record["settings"].get(key) == value for key, value in asked.items())


def _psf_shape(run: Run) -> Shape:
    """Return the size of the largest PSF: of those used where they are prepared, else of the files'."""
    prepared = (read_json(run.results.psf(channel, ".json")) for channel in run.channels)
    known = zip(run.channels, prepared, strict=True)
    shapes = [facts["shape"] if facts else estimate_psf_shape(run, channel) for channel, facts in known]
    z, y, x = np.max([(1, 1, 1), *filter(None, shapes)], axis=0).tolist()
    return z, y, x


def _tiff_bytes(run: Run) -> int:
    """Return the size of all files; of an acquisition that is not there, what it is without compression."""
    paths = {piece.path for volume in run.acquisition.volumes for piece in volume.pieces}
    plain = len(run.acquisition.volumes) * math.prod(run.shape) * np.dtype(run.dtype).itemsize
    return sum(stat_file(path).st_size for path in paths) or plain


def count_entries(work: Work) -> tuple[int, int]:
    """Count what will lie in `results/NAME` once the run is finished.

    A shard is one file, with three folders around it in the work area and as many in the store, where it is a hard
    link and no file more.

    Returns
    -------
    files, folders : int
        Each takes an inode.
    """
    channels, volumes, jobs = len(work.run.channels), work.volumes, len(work.blocks) * (len(work.run.channels) + 1) + 1
    raw, result = (len(work.run.layouts[kind].levels) for kind in KINDS)
    shards = volumes * (raw + result)
    metadata = channels * (raw + result) + channels * (1 + raw) + 1 + result
    texts = TEXTS + 2 * jobs + 5 * channels  # a manifest and a log a job; of a PSF three files, a log and its source
    arrays = 2 * channels * (raw + result)  # NUMBER/c
    published = 2 * (channels * raw + result)
    around = 3 * volumes * 2 * raw + 3 * volumes * 2 * result + work.run.acquisition.timepoints * result
    folders = arrays + published + around + 5 * channels + 14  # of a channel: two in work/, two in records/, a store
    return shards + metadata + volumes * len(KINDS) + texts, folders
