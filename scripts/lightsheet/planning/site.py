"""Where a run's jobs and workers would be, and what they may use there: this machine, or partitions of a SLURM."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import dask
import yaml

from lightsheet.cluster import read_section
from lightsheet.deconvolution import resolve_engine
from lightsheet.run import MB, RULES, SLURM_CORES, Jobs, Run
from lightsheet.system import InputError, count_cores, find_memory_limit

HERE = "this machine"
ANYWHERE = "the default partition"
SLURM_JOBS = 100
"""At a time, where a profile does not say."""

INGEST_CORES = 2
"""As the Snakefile says."""


class Share(NamedTuple):
    """What a job or a worker gets: cores, bytes (None: what it needs), where, and for how many seconds at most."""

    cores: int = 1
    memory: int | None = None
    partition: str = HERE
    limit: float = math.inf


class Place(NamedTuple):
    """What jobs have.

    Parameters
    ----------
    slurm_jobs : int or None
        How many jobs of rules are in SLURM's queue at a time; None: they run here.
    cores : int
        That jobs here share.
    cluster : str
        Where workers are: `local`, in the `deconvolve` job itself, or a section of jobqueue.yaml.
    workers : int
        Of each `deconvolve` job.
    engine : str
        What they compute with.
    shares : mapping
        Of a job, by rule, and of one of the `workers`.
    """

    slurm_jobs: int | None
    cores: int
    cluster: str
    workers: int
    engine: str
    shares: Mapping[str, Share]

    @property
    def is_away(self) -> bool:
        """Whether workers are SLURM jobs of their own."""
        return self.cluster != "local"

    @property
    def worker(self) -> Share:
        """What a worker gets."""
        return self.shares["workers"]


def read_profile(folder: Path) -> dict[str, Any]:
    """Read from a profile's folder what `lightsheet.workflow.resources.read_place` reads from Snakemake.

    Raises
    ------
    InputError
        If there is no such profile.
    """
    path = folder / "config.yaml"
    if not path.is_file():
        raise InputError(f"--profile {folder}: there is no {path}")
    said = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    default, own, threads = (said.get(f"{key}") or {} for key in ("default-resources", "set-resources", "set-threads"))
    partition = {key: default[key] for key in default if key == "slurm_partition"}
    workers = default | (own.get("deconvolve") or {})
    away = said.get("executor") == "slurm"
    return {
        "cluster": str(workers.get("dask_cluster", "local")),
        "workers": int(workers.get("dask_workers", 1)),
        "cores": SLURM_CORES if away else count_cores(),
        "slurm_jobs": int(said.get("jobs", SLURM_JOBS)) if away else None,
        "threads": {rule: int(n) for rule, n in threads.items() if rule in RULES},
        "asked": {rule: {k: str(v) for k, v in (partition | (own.get(rule) or {})).items()} for rule in RULES},
    }


def describe_machine(cores: int) -> dict[str, Any]:
    """Return the same for this machine."""
    return {"cluster": "local", "workers": 1, "cores": cores, "slurm_jobs": None, "threads": {}, "asked": {}}


def describe_place(
    run: Run,
    *,
    cluster: str,
    workers: int,
    cores: int,
    slurm_jobs: int | None,
    threads: Mapping[str, int],
    asked: Mapping[str, Mapping[str, str]],
) -> Place:
    """Find out what jobs and workers have.

    Parameters
    ----------
    run : Run
        The plan.
    cluster : str
        Where the workers are: `local`, or a section of jobqueue.yaml.
    workers : int
        How many a `deconvolve` job has.
    cores : int
        That a job may use.
    slurm_jobs : int or None
        How many jobs of rules are in the queue at a time; None: they run here.
    threads : mapping
        By rule, where they are given.
    asked : mapping
        By rule, the resources `slurm_partition` and `runtime`, where they are given.

    Raises
    ------
    InputError
        If jobqueue.yaml cannot be used.
    """
    jobs, shares = Jobs(run, cluster, workers, cores), {}
    for rule in RULES:
        n, said = threads.get(rule, INGEST_CORES if rule == "ingest" else jobs.threads(rule)), asked.get(rule, {})
        memory, minutes = jobs.memory(rule)(None, 1) * MB, said.get("runtime", "")
        if slurm_jobs:
            limit = 60.0 * (int(minutes) if minutes.isdecimal() else jobs.runtime(rule))
            shares[rule] = Share(n, memory, said.get("slurm_partition", ANYWHERE), limit)
        else:
            shares[rule] = Share(min(n, cores), memory)
    shares["workers"], engine = _worker(run.config["deconvolution"]["engine"], cluster, workers, shares["deconvolve"])
    return Place(slurm_jobs, cores, cluster, workers, engine, shares)


def _worker(engine: str, cluster: str, workers: int, job: Share) -> tuple[Share, str]:
    """Return what a worker of a `deconvolve` job gets, and the engine that it computes with."""
    if cluster == "local":
        memory = find_memory_limit() // workers if job.partition == HERE else None
        return Share(max(1, job.cores // workers), memory, job.partition), resolve_engine(engine)
    section = read_section(cluster)
    queue = str(dask.config.get(f"jobqueue.{cluster}.queue") or ANYWHERE)
    if engine == "auto":
        engine = "gpu" if section.gpu else "cpu"
    return Share(section.cores, section.memory, queue, section.walltime), engine
