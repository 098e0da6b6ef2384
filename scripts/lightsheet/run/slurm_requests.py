"""What the jobs of a run ask of SLURM, for an inquiry before it begins."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from lightsheet.cluster import (
    Answer,
    Needs,
    Request,
    Section,
    Team,
    Width,
    fit_width,
    read_section,
    request_rule,
    request_workers,
)
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
    width = fit_run_workers(jobs.run, section, jobs.dask_workers, jobs.answers, coordinator)
    worker = request_workers(section, width.memory, width.cores, coordinator)
    return Team(worker, coordinator, coordinators)


def fit_run_workers(
    run: Run, section: Section, number: int, answers: Mapping[str, Answer], coordinator: Request | None
) -> Width:
    """Return what each worker of a run gets, as far as is known before its PSFs are.

    Parameters
    ----------
    run : Run
    section : Section, of its workers
    number : int, of these there are never more
    answers : mapping, from `ask_site`, or `UNKNOWN`
    coordinator : Request or None, as for `request_team`
    """
    volumes = max(map(len, run.blocks.values())) * len(run.channels)
    needs = plan_least_needs(run, section.choose_engine(run.config["deconvolution"]["engine"]))
    return fit_width(section, needs, volumes, answers, coordinator, min(number, volumes))


def plan_least_needs(run: Run, engine: str) -> Needs:
    """Return what a volume takes at least: how large a PSF is after cropping is known when it is there."""
    from lightsheet.processing import plan_needs  # SciPy

    psfs = [read_json(run.results.psf(channel, ".json")) for channel in run.channels]
    shapes = [psf["shape"] for psf in psfs if psf]
    largest = np.max([(1, 1, 1), *shapes], axis=0).tolist()
    method = run.config["deconvolution"]
    return plan_needs(
        *(run.shape, largest, engine, method["acceleration"], has_fill(run)),
        iterations=method["iterations"],
        boundary=method["boundary"],
        dtype=run.config["output"]["dtype"],
    )


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
