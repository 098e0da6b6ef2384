"""Cores, memory and time that the jobs of a run ask for."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lightsheet.deconvolution import FOREIGN
from lightsheet.run.choices import has_fill
from lightsheet.run.config import list_pilot_methods
from lightsheet.run.run import Run
from lightsheet.sources import describe_stack
from lightsheet.system import InputError

if TYPE_CHECKING:
    from lightsheet.cluster import Answer

RULES = ("ingest", "deconvolve", "consolidate")  # whose jobs `snakemake plan` foresees
COORDINATORS = ("deconvolve", "pilot")  # rules whose work Dask workers do
INGEST_CORES = 2
SMALL_INGEST = 5 * 10**8  # raw bytes that one core ingests in a second or two
SLURM_CORES = 4  # of a SLURM job that can use many; `--set-threads` says otherwise

MB = 10**6
PROCESS_MB = 300
COORDINATOR_MB = 1000
LEAST_MB = 500  # Snakemake's own step in a SLURM job takes a quarter of it

DAY_MINUTES = 24 * 60
SLOW_DISK = 50 * MB  # bytes a second that a busy shared file system still gives


@dataclass(frozen=True)
class Jobs:
    """The jobs of a run."""

    run: Run
    dask_cluster: str  # where the workers of `deconvolve` are: `local`, or a section of jobqueue.yaml
    dask_workers: int  # the most that each of its jobs has, or `AUTO`
    cores: int  # that one job may use
    partitions: Mapping[str, str] = field(default_factory=dict)  # SLURM's, of rules whose jobs are for its nodes

    def choose_threads(self, rule: str) -> int:
        """Return the cores of a job."""
        if self._is_coordinator(rule):
            return 1
        cores = self._choose_ingest_cores() if rule == "ingest" else self.cores
        if rule in self.partitions:
            from lightsheet.cluster import find_most_cores  # Dask, which no job needs that parses the Snakefile

            cores = int(min(cores, find_most_cores(self.answers, self.partitions[rule])))
        return max(1, cores)

    def _choose_ingest_cores(self) -> int:
        """Return the cores of an ingest job: one that has little to do runs beside the others here, as a PSF's."""
        size = max(map(len, self.run.ingest_blocks.values())) * self.run.layouts["raw"].count_volume_bytes()
        return 1 if size < SMALL_INGEST and self.dask_cluster == "local" and not self.partitions else INGEST_CORES

    def plan_threads(self, rule: str) -> Callable[[Any], int]:
        """Return the function of Snakemake's `threads`: SLURM is asked for its nodes when there are jobs for them."""
        return lambda wildcards: self.choose_threads(rule)  # noqa: ARG005 (Snakemake passes it)

    @cached_property
    def answers(self) -> "Mapping[str, Answer]":
        """What SLURM's commands say of the cluster, asked once."""
        from lightsheet.cluster import ask_site

        return ask_site()

    def _is_coordinator(self, rule: str) -> bool:
        """Tell whether workers elsewhere do a rule's work."""
        return rule in COORDINATORS and self.dask_cluster != "local"

    def plan_memory(self, rule: str) -> Callable[..., int]:
        """Return the function of Snakemake's resource `mem_mb`: it asks for more after each failure."""

        def mem_mb(wildcards: Any, attempt: int, threads: int = 0) -> int:  # noqa: ARG001 (Snakemake passes it)
            return max(LEAST_MB, math.ceil(self._estimate_megabytes(rule, threads or self.cores))) * attempt

        return mem_mb

    def _estimate_megabytes(self, rule: str, threads: int) -> float:
        voxels = math.prod(self.run.shape)
        if rule == "ingest":
            # Of a Zarr, chunks are decoded twice side by side: for the shard, and for the digest.
            chunks = 2 * int((self.run.store_state or {"reading": 0})["reading"])
            return PROCESS_MB + (1.5 * voxels * np.dtype(self.run.dtype).itemsize + chunks) / MB
        if rule == "consolidate":
            return COORDINATOR_MB + voxels * np.dtype("float32").itemsize / MB
        if self._is_coordinator(rule):
            return COORDINATOR_MB
        config = self.run.config
        methods = list_pilot_methods(config).values() if rule == "pilot" else [config["deconvolution"]]
        from lightsheet.processing import estimate_memory  # every job of a cluster run parses the Snakefile: 0.2 s

        volume, with_fill = 0, has_fill(self.run)
        for method in methods:
            engine = method["engine"] if method["engine"] in FOREIGN else "cpu"
            volume = max(
                volume, estimate_memory(self.run.shape, self._psf_shape, engine, method["acceleration"], with_fill)
            )
        workers = min(self.dask_workers or threads, threads, len(self.run.acquisition.volumes))
        return PROCESS_MB + volume / MB * (workers if rule in COORDINATORS else 1)

    @cached_property
    def _psf_shape(self) -> Sequence[int]:
        """The size of the largest PSF at the voxel size of the volumes, before it is cropped."""
        shapes = [shape for channel in self.run.channels if (shape := estimate_psf_shape(self.run, channel))]
        largest: list[int] = np.max([(1, 1, 1), *shapes], axis=0).tolist()
        return largest

    def plan_runtime(self, rule: str) -> int:
        """Return the minutes that a job may take; a job cut short goes on where it was when it runs again."""
        if rule in COORDINATORS:
            return DAY_MINUTES  # workers wait in the queue, and the job waits for them
        raw, result = (self.run.layouts[kind].count_volume_bytes() for kind in ("raw", "result"))
        if rule == "ingest":
            size = max(map(len, self.run.ingest_blocks.values())) * raw
        else:
            size = len(self.run.acquisition.volumes) * (raw + result)
        return 60 + math.ceil(size / SLOW_DISK / 60)


def estimate_psf_shape(run: Run, channel: str) -> list[int] | None:
    """Return the size (z, y, x) of a channel's PSF at the voxel size of the volumes, before it is cropped.

    None if it cannot be read: rule `psf` tells what is wrong with it; and if it is not named yet.
    """
    if channel not in run.psf_settings:
        return None
    settings = run.psf_settings[channel]
    fine, coarse = settings["psf_voxel_size"], run.config["voxel_size"]
    try:
        z, y, x = describe_stack(Path(run.find_psf_file(channel)))[0]
    except InputError:
        return None
    shape = (len(range(*settings["pages"])) if settings["pages"] else z, y, x)
    sizes = [math.ceil(n * fine[axis] / coarse[axis]) for n, axis in zip(shape, "zyx", strict=True)]
    if run.scan:
        sizes[run.scan.axis] += math.ceil(sizes[0] * run.scan.shift)  # as its planes move against each other then
    return sizes
