"""Rates that we measured, for a run without a pilot: on a machine of two cores, and by a model of a GPU."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lightsheet.deconvolution import Method, gpu_model
from lightsheet.planning.rates import Rates, count_padded_voxels
from lightsheet.planning.workload import Work
from lightsheet.processing import BESIDE_GPU
from lightsheet.run import KINDS
from lightsheet.store import ALL_BITS, Shape

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


def make_builtin_rates(work: Work, engine: str, reason: str) -> Rates:
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
    return _make_rates(work, iterations, setup + iterations * iteration, remarks)


def _make_rates(work: Work, iterations: int, seconds: float, remarks: Sequence[str]) -> Rates:
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
    return _make_rates(work, iterations, 0.0, [*remarks, model])._replace(
        source=f"built-in: a model of an {gpu_model.MODEL}, core-seconds beside it of an Intel Xeon; sizes not "
        "compressed",
        cores=1,
        transfer=BESIDE_GPU[work.run.config["output"]["dtype"]],
        deconvolve=seconds / count_padded_voxels(shape, work.psf_shape, boundary),
        has_gpu=True,
    )
