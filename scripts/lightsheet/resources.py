"""What the jobs of each rule ask for: cores, memory and time, from the size of the volumes and where Dask workers are.

The only other file that knows Snakemake is `lightsheet.head`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lightsheet import tiff
from lightsheet.errors import InputError
from lightsheet.method import FOREIGN
from lightsheet.run import Run

MB = 10**6
DAY = 24 * 60
"""Minutes."""

SLURM_CORES = 4
"""Of a SLURM job that can use many; `--set-threads` says otherwise."""

PROCESS_MB = 300
COORDINATOR_MB = 1000
LEAST_MB = 500
"""Snakemake's own step in a SLURM job takes a quarter of it."""

SLOW_DISK = 50 * MB
"""Bytes a second that a busy shared file system still gives."""


@dataclass(frozen=True)
class Jobs:
    """The jobs of a run.

    Parameters
    ----------
    run : Run
        The plan.
    dask_cluster : str
        Where the workers of `deconvolve` are: `local`, or a section of jobqueue.yaml.
    dask_workers : int
        How many each of its jobs has.
    cores : int
        That one job may use.
    """

    run: Run
    dask_cluster: str
    dask_workers: int
    cores: int

    def threads(self, rule: str) -> int:
        """Return the cores of a job."""
        return 1 if rule == "deconvolve" and self.dask_cluster != "local" else self.cores

    def memory(self, rule: str) -> Callable[[Any, int], int]:
        """Return the function of Snakemake's resource `mem_mb`: it asks for more after each failure."""

        def mem_mb(wildcards: Any, attempt: int) -> int:  # noqa: ARG001 (Snakemake passes it)
            return max(LEAST_MB, math.ceil(self._megabytes(rule))) * attempt

        return mem_mb

    def _megabytes(self, rule: str) -> float:
        voxels = math.prod(self.run.shape)
        if rule == "ingest":
            return PROCESS_MB + 1.5 * voxels * np.dtype(self.run.dtype).itemsize / MB
        if rule == "consolidate":
            return COORDINATOR_MB + voxels * np.dtype("float32").itemsize / MB
        if rule == "deconvolve" and self.dask_cluster != "local":
            return COORDINATOR_MB
        from lightsheet import restoration  # every job of a cluster run parses the Snakefile: 0.2 s

        asked = self.run.config["deconvolution"]
        engine = asked["engine"] if asked["engine"] in FOREIGN else "cpu"
        volume = restoration.memory_bytes(self.run.shape, self._psf_shape, engine, asked["acceleration"]) / MB
        return PROCESS_MB + volume * (self.dask_workers if rule == "deconvolve" else 1)

    @cached_property
    def _psf_shape(self) -> list[int]:
        """Return the size of the largest PSF at the voxel size of the volumes, before it is cropped."""
        fine, coarse = self.run.config["psf"]["voxel_size"], self.run.config["voxel_size"]
        shapes = [(1, 1, 1)]
        for channel in self.run.channels:
            try:
                shapes.append(tiff.describe(Path(self.run.psf_file(channel)))[0])
            except InputError:
                continue  # rule psf tells what is wrong with it
        largest = np.max(shapes, axis=0)
        return [math.ceil(n * fine[axis] / coarse[axis]) for n, axis in zip(largest, "zyx", strict=True)]

    def runtime(self, rule: str) -> int:
        """Return the minutes that a job may take; a job cut short goes on where it was when it runs again."""
        if rule == "deconvolve":
            return DAY  # workers wait in the queue, and the job waits for them
        return 60 + math.ceil(self._bytes(rule) / SLOW_DISK / 60)

    def _bytes(self, rule: str) -> int:
        """Return how much a job reads or writes."""
        raw, result = (self.run.layouts[kind].volume_bytes() for kind in ("raw", "result"))
        if rule == "ingest":
            return max(map(len, self.run.blocks.values())) * raw
        return len(list(self.run.volumes())) * (raw + result)


def jobs(run: Run, workflow: Any) -> Jobs:
    """Read from Snakemake where Dask workers shall be, and how many cores a job may use.

    Parameters
    ----------
    run : Run
        The plan.
    workflow : snakemake.workflow.Workflow
        As the Snakefile has it.
    """
    # Snakemake that submits SLURM jobs knows no number of cores, and inside a job it knows the whole machine's.
    here = workflow.nodes is None and workflow.is_main_process
    return Jobs(
        run,
        str(_given(workflow, "dask_cluster", "local")),
        int(_given(workflow, "dask_workers", 1)),
        workflow.cores if here else SLURM_CORES,
    )


def _given(workflow: Any, name: str, default: str | int) -> str | int:
    """Return a resource of `deconvolve` as the command line or the profile gives it."""
    settings = workflow.resource_settings
    for given in (settings.overwrite_resources.get("deconvolve"), settings.default_resources):
        if given and name in given:
            value: str | int = getattr(given[name], "raw", given[name])
            return value
    return default
