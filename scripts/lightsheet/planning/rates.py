"""How long what takes and how much it leaves: as `snakemake pilot` measured it here, or else as we did."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np

from lightsheet.deconvolution import make_frame
from lightsheet.planning.site import Place
from lightsheet.planning.workload import Shape, Work
from lightsheet.run import KINDS
from lightsheet.store import StoreLayout

REFERENCE: tuple[Shape, Shape] = ((201, 1024, 768), (101, 64, 64))
"""Volume and PSF of `benchmarks/results/deconvolution_large.md`."""

SECONDS = {
    ("cpu", "none"): (7.4, 1.69),
    ("cpu", "heavy-ball"): (3.8, 3.82),
    ("cpu", "biggs"): (3.8, 3.82),
    ("skimage", "none"): (19.0, 11.5),
    ("itk", "none"): (30.0, 150.0),
    ("gpu", "none"): (1.0, 0.1),
    ("gpu", "heavy-ball"): (1.0, 0.12),
    ("gpu", "biggs"): (1.0, 0.15),
}
"""Of a `REFERENCE` volume, to prepare and an iteration, on `CORES` cores; `GUESSED` ones were not measured."""

CORES = 2
GUESSED = {
    ("cpu", "biggs"): "as heavy-ball",
    ("itk", "none"): "8 times what a volume an eighth as large took",
    **dict.fromkeys([("gpu", a) for a in ("none", "heavy-ball", "biggs")], "0.1 s an iteration of 158 million voxels"),
}

INGEST_SECONDS, TRANSFER_SECONDS = 6.3e-9, 20.6e-9
"""A voxel, on two cores: ingest with pyramid and record, of `benchmarks/results/ingest.md`; to read a raw volume and to
write a result, single measurements on a machine of that kind, as `CHECK_SECONDS` is."""

CHECK_SECONDS = 1.8e-9
"""A stored byte, on one core."""

JOB_SECONDS, WORKER_SECONDS = 1.9, 2.8
"""Until a job's own work begins, imports included, and until Dask's workers are there; on a machine of two cores."""

LAUNCH_SECONDS = 3.0
"""A job of SLURM needs so much longer until its own work begins: Snakemake starts there twice."""

AUTO = {"none": 60, "heavy-ball": 20, "biggs": 20}
"""What `iterations: auto` may come to; a guess, since it depends on the noise."""

SCALING = 0.8
"""Twice the cores are taken to be 2 ** 0.8 times as fast: a guess, on the safe side of proportional."""


class Rates(NamedTuple):
    """What was measured; seconds are those of a worker with `cores` cores.

    Parameters
    ----------
    words : str
        What was measured, when and where.
    cores : int
        That the worker had.
    psf_shape : tuple of int
        (z, y, x) of the largest PSF used.
    iterations : int
        To do; what `auto` may come to.
    ingest, transfer : float
        Seconds a voxel: to ingest it; to read it from the raw store and write its result.
    deconvolve : float
        Seconds a padded voxel, all iterations.
    check : float
        Seconds a stored byte to prove a shard, on one core.
    stored : mapping
        Stored bytes of raw and of result volumes by their uncompressed bytes, pyramids included.
    pace : float
        How long Python takes for what took it 1 s on the machine of the built-in measurements.
    workers : float
        Seconds until Dask's workers are there.
    remarks : tuple of str
        What is not as it should be with these measurements.
    """

    words: str
    cores: int
    psf_shape: Shape
    iterations: int
    ingest: float
    transfer: float
    deconvolve: float
    check: float
    stored: Mapping[str, float]
    pace: float
    workers: float
    remarks: tuple[str, ...] = ()

    def volume_seconds(self, work: Work, cores: int) -> tuple[float, float]:
        """Return the seconds that a worker needs for a volume: to compute, and to read and write."""
        faster, shape = compute_speedup(cores, self.cores), work.run.shape
        compute = count_padded_voxels(shape, self.psf_shape, work.method["boundary"]) * self.deconvolve
        return compute / faster, math.prod(shape) * self.transfer / faster


def compute_speedup(cores: int, measured: int) -> float:
    """Return how many times as fast so many cores are as those with which it was measured."""
    return math.pow(cores / measured, SCALING)


def count_padded_voxels(shape: Shape, psf: Shape, boundary: str) -> int:
    """Count the voxels of the cyclic array in which a volume is deconvolved."""
    return math.prod(make_frame(shape, psf, boundary).shape)


def choose_rates(work: Work, place: Place, pilot: Mapping[str, Any] | None) -> Rates:
    """Take the pilot's measurements if they are of what is asked for, else the built-in ones.

    Parameters
    ----------
    work : Work
        What is to be done.
    place : Place
        Where, and with which engine.
    pilot : mapping or None
        What `snakemake pilot` wrote into `pilot.json`.
    """
    if not pilot:
        return scale_builtin_rates(work, place.engine, "there is no pilot")
    asked = {"engine": place.engine, **{key: work.method[key] for key in ("boundary", "acceleration")}}
    found = [
        (channel["ingest"], method)
        for channel in pilot["channels"].values()
        for method in channel["methods"]
        if asked.items() <= method["settings"].items()
    ]
    if len(found) < len(pilot["channels"]):
        said = ", ".join(f"{key}: {value}" for key, value in asked.items())
        return scale_builtin_rates(work, place.engine, f"the pilot did not try {said}")
    return _of_pilot(work, place, pilot, found)


def scale_builtin_rates(work: Work, engine: str, why: str) -> Rates:
    """Return our own measurements."""
    acceleration, iterations = work.method["acceleration"], work.method["iterations"]
    setup, iteration = SECONDS[engine, acceleration]
    remarks = [f"Seconds and bytes are not of your data, because {why}: `snakemake pilot` measures them."]
    if guess := GUESSED.get((engine, acceleration)):
        remarks.append(
            f"Engine {engine}, acceleration {acceleration}, was not measured: its seconds are a guess ({guess})."
        )
    if iterations == "auto":
        iterations = AUTO[acceleration]
        remarks.append(f"iterations: auto is taken for {iterations}; `snakemake pilot` finds out what it comes to.")
    return Rates(
        words="built-in: Intel Xeon, 2 cores, volume (201, 1024, 768), PSF (101, 64, 64); sizes not compressed",
        cores=CORES,
        psf_shape=work.psf_shape,
        iterations=iterations,
        ingest=INGEST_SECONDS,
        transfer=TRANSFER_SECONDS,
        deconvolve=(setup + iterations * iteration) / count_padded_voxels(*REFERENCE, "extended"),
        check=CHECK_SECONDS,
        stored=dict.fromkeys(KINDS, 1.0),
        pace=1.0,
        workers=WORKER_SECONDS,
        remarks=tuple(remarks),
    )


def _of_pilot(work: Work, place: Place, pilot: Mapping[str, Any], found: Sequence[tuple[Any, Any]]) -> Rates:
    """Return the means over channels of what the pilot measured."""
    shape, psf = _shape(pilot["shape"]), _shape(pilot["psf_shape"])
    voxels, padding = math.prod(shape), count_padded_voxels(shape, psf, work.method["boundary"])
    methods, ingests = [method for _, method in found], [ingest for ingest, _ in found]
    runs = [run for method in methods for run in method["runs"]]
    wanted = work.method["iterations"]
    if wanted == "auto":
        wanted = round(fmean(method["suggested"] or AUTO[work.method["acceleration"]] for method in methods))
    launched = bool(place.slurm_jobs and pilot["slurm_job"])
    nearest = [min(method["runs"], key=lambda run: abs(run["iterations"] - wanted)) for method in methods]
    return Rates(
        words=f"of the pilot: {len(found)} channel(s), {len(runs)} deconvolutions of {shape} voxels on "
        f"{pilot['host']}, {pilot['cores']} core{'s' * (pilot['cores'] > 1)}",
        cores=pilot["cores"],
        psf_shape=psf,
        iterations=wanted,
        ingest=fmean(each["seconds"] for each in ingests) / voxels,
        transfer=fmean(run["seconds"]["read"] + run["seconds"]["write"] for run in runs) / voxels,
        deconvolve=fmean(_seconds(method["runs"], wanted) for method in methods) / padding,
        check=fmean(each["check_seconds"] / each["written_bytes"] for each in ingests),
        stored={
            kind: fmean(each["written_bytes"] for each in measured) / _plain_bytes(work, kind, shape)
            for kind, measured in zip(KINDS, (ingests, nearest), strict=True)
        },
        pace=pilot["start_seconds"]["job"] / (JOB_SECONDS + LAUNCH_SECONDS * launched),
        workers=pilot["start_seconds"]["workers"],
    )


def _seconds(runs: Sequence[Mapping[str, Any]], wanted: int) -> float:
    """Fit seconds to prepare and an iteration, with least relative errors and neither below 0; return those wanted."""
    n = np.array([float(run["iterations"]) for run in runs])
    seconds = np.array([run["seconds"]["deconvolve"] for run in runs])
    if len(set(n)) > 1:
        slope, offset = np.polyfit(n, seconds, 1, w=1 / seconds)
        if slope > 0 and offset > 0:
            return float(offset + slope * wanted)
    return wanted * float(np.mean(seconds / n))


def _plain_bytes(work: Work, kind: str, shape: Shape) -> int:
    """Return the uncompressed bytes of a volume of another shape, its pyramid included."""
    layout = work.run.layouts[kind]
    return StoreLayout.plan(shape, work.run.config["voxel_size"], layout.dtype, layout.codec).volume_bytes()


def _shape(given: Sequence[int]) -> Shape:
    z, y, x = given
    return z, y, x
