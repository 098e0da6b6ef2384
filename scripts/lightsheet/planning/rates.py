"""Measured seconds and bytes per voxel: by `snakemake pilot` on the user's own data, or else by us."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np

from lightsheet.cluster import Needs
from lightsheet.deconvolution import Method, gpu_model, make_frame
from lightsheet.planning.place import Place
from lightsheet.planning.workload import Work
from lightsheet.processing import ALONE_BESIDE_GPU, BESIDE_GPU, name_storage
from lightsheet.run import KINDS
from lightsheet.store import ALL_BITS, Shape
from lightsheet.system import InputError, write_number

REFERENCE: tuple[Shape, Shape] = ((201, 1024, 768), (101, 64, 64))
"""Volume and PSF of the size `large` of `benchmarks/deconvolution.py`."""

SECONDS = {
    ("cpu", "none"): (1.0, 1.2, ""),
    ("cpu", "heavy-ball"): (1.0, 1.8, ""),
    ("cpu", "biggs"): (1.0, 1.8, "as heavy-ball"),
    ("cpu-sweeps", "none"): (3.8, 3.5, ""),
    ("cpu-sweeps", "heavy-ball"): (3.8, 4.7, ""),
    ("cpu-sweeps", "biggs"): (3.8, 4.7, "as heavy-ball"),
    ("skimage", "none"): (19.0, 11.5, ""),
    ("itk", "none"): (30.0, 150.0, "8 times what a volume an eighth as large took"),
}
"""Seconds to prepare a `REFERENCE` volume and seconds of one iteration, on two cores; then the basis of a guess."""

INGEST_SECONDS, TRANSFER_SECONDS = 6.3e-9, 20.6e-9
"""Per voxel, on two cores: ingest with pyramid and record (`benchmarks/results/ingest.md`); to read a raw volume and to
write a result (single measurements on such a machine, like `CHECK_SECONDS`)."""

CHECK_SECONDS = 1.8e-9
"""Per stored byte, on one core."""

JOB_SECONDS, WORKER_SECONDS = 1.1, 1.4
"""Until a job's own work begins, imports included, and until Dask's workers have started: CPU seconds of processes
on a machine of two cores, since a quiet one was not at hand."""

LAUNCH_SECONDS = 2.0
"""More that a SLURM job needs until its own work begins, because it starts Snakemake."""

AUTO_ITERATIONS = {"none": 60, "heavy-ball": 20, "biggs": 20}
"""What `iterations: auto` may come to; a guess, since it depends on the noise."""

FLOAT_BITS, AUTO_BITS = 32, 7
"""Of a float32; and of its mantissa what `precision: auto` comes to, or less, unless there is hardly any noise: see
`benchmarks/results/precision.md`."""

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
        compute, beside = self.estimate_volume_seconds(work, 1)
        return Needs(0, 0, seconds=beside, alone=ALONE_BESIDE_GPU, gpu_seconds=compute)


def compute_speedup(cores: int, measured_cores: int) -> float:
    """Estimate how many times as fast so many cores are as those of the measurement."""
    return math.pow(cores / measured_cores, SCALING)


def count_padded_voxels(shape: Shape, psf: Shape, boundary: str) -> int:
    """Count the voxels of the cyclic array in which a volume is deconvolved."""
    return math.prod(make_frame(shape, psf, boundary).shape)


def choose_rates(work: Work, place: Place, pilot: Mapping[str, Any] | None) -> Rates:
    """Take the pilot's measurements if it tried the run's method, else the built-in ones."""
    if not pilot:
        return scale_builtin_rates(work, place.engine, "there is no pilot")
    try:
        return _choose_pilot(work, place, pilot)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise InputError(
            "pilot.json is damaged, or of another version; run `snakemake pilot` to measure anew"
        ) from error


def _choose_pilot(work: Work, place: Place, pilot: Mapping[str, Any]) -> Rates:
    method = {"engine": place.engine, **{key: work.method[key] for key in ("boundary", "acceleration")}}
    channels = pilot["channels"].values()
    methods = [m for channel in channels for m in channel["methods"] if method.items() <= m["settings"].items()]
    if len(methods) < len(channels):
        words = ", ".join(f"{key}: {value}" for key, value in method.items())
        return scale_builtin_rates(work, place.engine, f"the pilot did not try {words}")
    return _average_pilot(work, place, pilot, methods)


def scale_builtin_rates(work: Work, engine: str, reason: str) -> Rates:
    """Return our own measurements."""
    acceleration, iterations = work.method["acceleration"], work.method["iterations"]
    remarks = [f"Seconds and bytes are not of your data, because {reason}: `snakemake pilot` measures them."]
    if isinstance(iterations, str):
        iterations = AUTO_ITERATIONS[acceleration]
        remarks.append(f"iterations: auto is taken for {iterations}; `snakemake pilot` finds out what it comes to.")
    if work.run.config["output"]["precision"] == "auto":
        remarks.append(f"precision: auto is taken for {AUTO_BITS} bits of mantissa; `snakemake pilot` finds out.")
    if engine == "gpu":
        return _model_gpu(work, iterations, remarks)
    setup, iteration, guess = SECONDS[engine, acceleration]
    if guess:
        remarks.append(
            f"Engine {engine}, acceleration {acceleration}, was not measured: its seconds are a guess ({guess})."
        )
    return _give_builtin(work, iterations, setup + iterations * iteration, remarks)


def _give_builtin(work: Work, iterations: int, seconds: float, remarks: Sequence[str]) -> Rates:
    """Return rates with which a `REFERENCE` volume takes so many seconds."""
    return Rates(
        source="built-in: Intel Xeon, 2 cores, volume (201, 1024, 768), PSF (101, 64, 64); sizes not compressed",
        cores=2,
        psf_shape=work.psf_shape,
        iterations=iterations,
        ingest=INGEST_SECONDS,
        transfer=TRANSFER_SECONDS,
        deconvolve=seconds / count_padded_voxels(*REFERENCE, "extended"),
        check=CHECK_SECONDS,
        stored={**dict.fromkeys(KINDS, 1.0), "result": _guess_share(work.run.config["output"])},
        pace=1.0,
        worker_start=WORKER_SECONDS,
        remarks=tuple(remarks),
    )


def _guess_share(output: Mapping[str, Any]) -> float:
    """Return the share of a result's bytes that are not 0 in all voxels."""
    bits = AUTO_BITS if output["precision"] == "auto" else output["precision"]
    if output["dtype"] != "float32" or bits == "full":
        return 1.0
    return math.ceil((FLOAT_BITS - ALL_BITS["float32"] + bits) / 8) / (FLOAT_BITS / 8)


def _model_gpu(work: Work, iterations: int, remarks: Sequence[str]) -> Rates:
    """Return what a GPU would take by the bytes that its kernels move; core-seconds beside it were measured."""
    boundary, shape = work.method["boundary"], work.run.shape
    method = Method(iterations, boundary, acceleration=work.method["acceleration"])
    seconds = gpu_model.estimate_seconds(shape, work.psf_shape, method)
    alternatives = [
        f"{name} {gpu_model.estimate_seconds(shape, work.psf_shape, method, name):.3g} s"
        for name in gpu_model.DATASHEETS
        if name != gpu_model.MODEL
    ]
    model = (
        f"Engine gpu was not measured: by a model, the bytes that its kernels move at {gpu_model.SHARE:.0%} of the "
        f"memory's bandwidth, a volume takes {seconds:.3g} s of an {gpu_model.MODEL}; of others: "
        f"{', '.join(alternatives)}."
    )
    return _give_builtin(work, iterations, 0.0, [*remarks, model])._replace(
        source=f"built-in: a model of an {gpu_model.MODEL}, core-seconds beside it of an Intel Xeon; sizes not "
        "compressed",
        cores=1,
        transfer=BESIDE_GPU[work.run.config["output"]["dtype"]],
        deconvolve=seconds / count_padded_voxels(shape, work.psf_shape, boundary),
        has_gpu=True,
    )


def _foresee_auto(method: Mapping[str, Any], guess: int) -> int:
    """Return what `iterations: auto` may come to: the least expected error, beyond what was tried if it lies there."""
    iterations = method.get("least_error") or method["suggested"] or guess
    return max(guess, iterations) if method.get("falls_on") else int(iterations)


def _average_pilot(work: Work, place: Place, pilot: Mapping[str, Any], methods: Sequence[Mapping[str, Any]]) -> Rates:
    """Return the means over channels of what the pilot measured of a method."""
    shape, psf = tuple(pilot["shape"]), tuple(pilot["psf_shape"])
    voxels, padded_voxels = math.prod(shape), count_padded_voxels(shape, psf, work.method["boundary"])
    ingests = [channel["ingest"] for channel in pilot["channels"].values()]
    runs = [run for method in methods for run in method["runs"]]
    iterations = work.method["iterations"]
    if isinstance(iterations, str):
        guess = AUTO_ITERATIONS[work.method["acceleration"]]
        iterations = round(fmean(_foresee_auto(method, guess) for method in methods))
    nearest = [min(method["runs"], key=lambda run: abs(run["iterations"] - iterations)) for method in methods]
    raw_sizes = [ingest["written_bytes"] for ingest in ingests]
    in_slurm = bool(place.slurm_jobs and pilot["slurm_job"])
    layouts, has_gpu = dataclasses.replace(work.run, shape=shape).layouts, place.engine == "gpu"
    return Rates(
        source=f"of the pilot: {len(methods)} channel(s), {len(runs)} deconvolutions of {shape} voxels on "
        f"{pilot['host']}, {write_number(pilot['cores'], 'core')}",
        cores=1 if has_gpu else pilot["cores"],
        psf_shape=psf,
        iterations=iterations,
        ingest=fmean(ingest["seconds"] for ingest in ingests) / voxels,
        transfer=fmean(_read_seconds(run, has_gpu)[1] for run in runs) / voxels,
        deconvolve=fmean(_fit_seconds(method["runs"], iterations, has_gpu) for method in methods) / padded_voxels,
        check=fmean(ingest["check_seconds"] / ingest["written_bytes"] for ingest in ingests),
        stored={
            kind: fmean(sizes) / layouts[kind].count_volume_bytes()
            for kind, sizes in zip(KINDS, (raw_sizes, _find_result_sizes(work, methods, nearest)), strict=True)
        },
        pace=pilot["start_seconds"]["job"] / (JOB_SECONDS + LAUNCH_SECONDS * in_slurm),
        worker_start=pilot["start_seconds"]["workers"],
        has_gpu=has_gpu,
    )


def _read_seconds(run: Mapping[str, Any], has_gpu: bool) -> tuple[float, float]:
    """Return the seconds of a deconvolution, and those beside it: of a core, or to read and write without a GPU."""
    if has_gpu:
        return float(run["share"]["gpu_seconds"]), float(run["share"]["core_seconds"])
    return float(run["seconds"]["deconvolve"]), float(run["seconds"]["read"] + run["seconds"]["write"])


def _find_result_sizes(
    work: Work, methods: Sequence[Mapping[str, Any]], runs: Sequence[Mapping[str, Any]]
) -> list[int]:
    """Return the bytes of each channel's result: of its run, or of the way it is to be stored by now."""
    storage = name_storage(work.run.config["output"])
    sizes = []
    for method, run in zip(methods, runs, strict=True):
        proposals: Mapping[str, Any] = next((run["storages"] for run in method["runs"] if "storages" in run), {})
        is_changed = name_storage(method["settings"]) != storage and storage in proposals
        sizes.append(proposals[storage]["bytes"] if is_changed else run["written_bytes"])
    return sizes


def _fit_seconds(runs: Sequence[Mapping[str, Any]], iterations: int, has_gpu: bool) -> float:
    """Fit seconds to prepare and per iteration, neither below 0, with least relative errors; return their sum."""
    counts = np.array([float(run["iterations"]) for run in runs])
    seconds = np.array([_read_seconds(run, has_gpu)[0] for run in runs])
    if len(set(counts)) > 1:
        slope, offset = np.polyfit(counts, seconds, 1, w=1 / seconds)
        if slope > 0 and offset > 0:
            return float(offset + slope * iterations)
    return iterations * float(np.mean(seconds / counts))
