"""Rates of the user's own data, as the pilot measured them; our own where it did not try the run's method."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np

from lightsheet.planning.builtin_rates import AUTO_ITERATIONS, JOB_SECONDS, LAUNCH_SECONDS, make_builtin_rates
from lightsheet.planning.place import Place
from lightsheet.planning.rates import Rates, count_padded_voxels
from lightsheet.planning.workload import Work
from lightsheet.processing import name_storage
from lightsheet.run import KINDS
from lightsheet.system import InputError, write_number


def choose_rates(work: Work, place: Place, pilot: Mapping[str, Any] | None) -> Rates:
    """Take the pilot's measurements if it tried the run's method, else the built-in ones."""
    if not pilot:
        return make_builtin_rates(work, place.engine, "there is no pilot")
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
        return make_builtin_rates(work, place.engine, f"the pilot did not try {words}")
    return _average_pilot(work, place, pilot, methods)


def _average_pilot(work: Work, place: Place, pilot: Mapping[str, Any], methods: Sequence[Mapping[str, Any]]) -> Rates:
    """Return the means over channels of what the pilot measured of a method."""
    shape, psf = tuple(pilot["shape"]), tuple(pilot["psf_shape"])
    voxels, padded_voxels = math.prod(shape), count_padded_voxels(shape, psf, work.method["boundary"])
    ingests = [channel["ingest"] for channel in pilot["channels"].values()]
    runs = [run for method in methods for run in method["runs"]]
    iterations = _foresee_iterations(work, methods)
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


def _foresee_iterations(work: Work, methods: Sequence[Mapping[str, Any]]) -> int:
    """Return the run's iterations; of auto, what they may come to on the mean of the channels."""
    iterations = work.method["iterations"]
    if not isinstance(iterations, str):
        return int(iterations)
    guess = AUTO_ITERATIONS[work.method["acceleration"]]
    return round(fmean(_foresee_auto(method, guess) for method in methods))


def _foresee_auto(method: Mapping[str, Any], guess: int) -> int:
    """Return what `iterations: auto` may come to: the least expected error, beyond what was tried if it lies there."""
    iterations = method.get("least_error") or method["suggested"] or guess
    return max(guess, iterations) if method.get("falls_on") else int(iterations)


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
