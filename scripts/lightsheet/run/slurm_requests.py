"""What the jobs of a run ask of SLURM, for an inquiry before it begins."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from lightsheet.cluster import Request, Team, fit_workers, read_section, request_rule, request_workers
from lightsheet.run.choices import has_fill
from lightsheet.run.jobs import Jobs
from lightsheet.run.run import Run
from lightsheet.system import read_json


def request_team(jobs: Jobs, coordinator: Request | None, coordinators: int) -> Team | None:
    """Return the workers of a run's coordinators, if they are SLURM jobs.

    Parameters
    ----------
    jobs : Jobs, of the run
    coordinator : Request or None, of a `deconvolve` job; None if these run here
    coordinators : int, so many at a time

    Raises
    ------
    InputError
        If the section of jobqueue.yaml cannot be used.
    """
    if jobs.dask_cluster == "local":
        return None
    section = read_section(jobs.dask_cluster)
    engine = section.choose_engine(jobs.run.config["deconvolution"]["engine"])
    memory = estimate_least_memory(jobs.run, engine)
    most = min(jobs.dask_workers, len(jobs.run.acquisition.volumes))
    cores = section.cores or fit_workers(section, memory, jobs.answers, coordinator, most).cores
    return Team(request_workers(section, memory, cores), coordinator, coordinators)


def estimate_least_memory(run: Run, engine: str) -> int:
    """Return the bytes that a worker asks for at least: how large a PSF is after cropping is known when it is there."""
    from lightsheet.processing import estimate_memory  # SciPy

    psfs = [read_json(run.results.psf(channel, ".json")) for channel in run.channels]
    shapes = [psf["shape"] for psf in psfs if psf]
    largest = np.max([(1, 1, 1), *shapes], axis=0).tolist()
    return estimate_memory(run.shape, largest, engine, run.config["deconvolution"]["acceleration"], has_fill(run))


def request_jobs(jobs: Jobs, rule: str, file: str, resources: Mapping[str, Any], threads: int) -> Request:
    """Return the request of a rule's jobs before Snakemake has evaluated anything.

    Parameters
    ----------
    jobs : Jobs, of the run
    rule : str, its name
    file : str, the profile, for sentences
    resources : mapping, what the profile and the command line say of it, as text; an expression is left out
    threads : int, cores of a job
    """
    values = {key: text for key, value in resources.items() if (text := _read_text(value))}
    minutes = int(values["runtime"]) if values.get("runtime", "").isdecimal() else jobs.plan_runtime(rule)
    memory = jobs.plan_memory(rule)(None, 1, threads)
    if values.get("mem_mb", "").isdecimal():
        memory = int(values["mem_mb"])
    return request_rule(rule, file, {**values, "runtime": minutes, "mem_mb": memory}, threads)


def _read_text(value: Any) -> str:
    """Return what a resource means, without the quotes in which it may stand; nothing if it is an expression."""
    text = str(value).strip()
    if match := re.fullmatch(r"""(["'])(.*)\1""", text):
        return match[2]
    return text if re.fullmatch(r"[\w.,:=@+*/-]+", text) else ""
