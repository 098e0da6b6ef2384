"""Measured seconds and bytes per voxel: by `snakemake pilot` on the user's own data, or else by us."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from lightsheet.cluster import Needs
from lightsheet.deconvolution import make_frame
from lightsheet.planning.workload import Work
from lightsheet.processing import ALONE_BESIDE_GPU
from lightsheet.store import Shape

SCALING = 0.8
"""Twice the cores are taken to be 2 ** 0.8 times as fast: a guess, on the safe side of proportional."""


class Rates(NamedTuple):
    """Measured seconds per voxel, of a worker with `cores` cores, and stored bytes."""

    source: str  # what was measured, and where
    cores: int
    psf_shape: Shape  # of the largest PSF used
    iterations: int  # of the run; of `auto`, what it may come to
    ingest: float  # seconds a voxel
    transfer: float  # seconds a voxel, to read it from the raw store and to write its result
    deconvolve: float  # seconds a padded voxel, all iterations
    check: float  # seconds a stored byte, to read it and compare digests on one core
    stored: Mapping[str, float]  # stored by uncompressed bytes of raw and of result volumes, pyramids included
    pace: float  # seconds that Python takes for what took it 1 s on the machine of the built-in measurements
    worker_start: float  # seconds until Dask's workers have started
    remarks: tuple[str, ...] = ()  # sentences on what is doubtful about these measurements
    has_gpu: bool = False  # then `deconvolve` are its seconds, and `transfer` core-seconds of all else

    def estimate_volume_seconds(self, work: Work, cores: int) -> tuple[float, float]:
        """Return the seconds that a worker needs for a volume: to compute, and to read and write."""
        speedup, shape = compute_speedup(cores, self.cores), work.run.shape
        compute = count_padded_voxels(shape, self.psf_shape, work.method["boundary"]) * self.deconvolve
        return compute / (1 if self.has_gpu else speedup), math.prod(shape) * self.transfer / speedup

    def estimate_interval(self, work: Work, cores: int, slots: int) -> float:
        """Return the seconds from one volume of a worker to its next, if it has so many in hand."""
        if not self.has_gpu:
            return sum(self.estimate_volume_seconds(work, max(1, cores // slots))) / slots
        return self.estimate_gpu_needs(work).estimate_round(cores, slots) / slots

    def estimate_gpu_needs(self, work: Work) -> Needs:
        """Return the seconds that a volume takes of a GPU, and of one core beside it."""
        compute, core_seconds = self.estimate_volume_seconds(work, 1)
        return Needs(0, 0, seconds=core_seconds, alone=ALONE_BESIDE_GPU, gpu_seconds=compute)


def compute_speedup(cores: int, measured_cores: int) -> float:
    """Estimate how many times as fast so many cores are as those of the measurement."""
    return math.pow(cores / measured_cores, SCALING)


def count_padded_voxels(shape: Shape, psf: Shape, boundary: str) -> int:
    """Count the voxels of the cyclic array in which a volume is deconvolved."""
    return math.prod(make_frame(shape, psf, boundary).shape)
