"""Where a run's jobs and workers would be, and what they may use there: this machine, or partitions of a SLURM."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import dask
import yaml

from lightsheet import capacity, deconvolution, jobqueue, resources
from lightsheet.errors import InputError
from lightsheet.resources import RULES
from lightsheet.run import Run

HERE = "this machine"
SLURM_JOBS = 100
"""At a time, where a profile does not say."""


class Place(NamedTuple):
    """What jobs have.

    Parameters
    ----------
    slurm_jobs : int or None
        How many jobs of rules are in SLURM's queue at a time; None: they run here.
    cores : int
        That jobs here share.
    threads : mapping
        Cores of a job, by rule.
    memory : mapping
        Bytes of a job, by rule.
    partitions : mapping
        Where the jobs of a rule run, and `workers`.
    limits : mapping
        Seconds that a job of a rule may take, and a worker (`workers`): only where there is such a limit.
    cluster : str
        Where workers are: `local`, in the `deconvolve` job itself, or a section of jobqueue.yaml.
    workers : int
        Of each `deconvolve` job.
    worker_cores : int
        That one of them uses in a volume.
    worker_memory : int or None
        Bytes that it gets; None: what it needs.
    engine : str
        What it computes with.
    """

    slurm_jobs: int | None
    cores: int
    threads: Mapping[str, int]
    memory: Mapping[str, int]
    partitions: Mapping[str, str]
    limits: Mapping[str, float]
    cluster: str
    workers: int
    worker_cores: int
    worker_memory: int | None
    engine: str

    @property
    def is_away(self) -> bool:
        """Whether workers are SLURM jobs of their own."""
        return self.cluster != "local"


def of_profile(folder: Path) -> dict[str, Any]:
    """Read from a profile's folder what `lightsheet.resources.given` reads from Snakemake.

    Raises
    ------
    InputError
        If there is no such profile.
    """
    path = folder / "config.yaml"
    if not path.is_file():
        raise InputError(f"--profile {folder}: there is no {path}")
    said = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    default, own = said.get("default-resources") or {}, said.get("set-resources") or {}

    partition = {key: default[key] for key in ["slurm_partition"] if key in default}

    def find(rule: str, key: str, otherwise: Any) -> Any:
        return (own.get(rule) or {}).get(key, default.get(key, otherwise))

    return {
        "cluster": str(find("deconvolve", "dask_cluster", "local")),
        "workers": int(find("deconvolve", "dask_workers", 1)),
        "cores": resources.SLURM_CORES if said.get("executor") == "slurm" else capacity.available_cores(),
        "slurm_jobs": int(said.get("jobs", SLURM_JOBS)) if said.get("executor") == "slurm" else None,
        "threads": {rule: int(n) for rule, n in (said.get("set-threads") or {}).items() if rule in RULES},
        "asked": {
            rule: {key: str(value) for key, value in (partition | (own.get(rule) or {})).items()} for rule in RULES
        },
    }


def here(cores: int) -> dict[str, Any]:
    """Return the same for this machine."""
    return {"cluster": "local", "workers": 1, "cores": cores, "slurm_jobs": None, "threads": {}, "asked": {}}


def place(
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
        By rule, the resources `slurm_partition` and `runtime` where they are given.

    Raises
    ------
    InputError
        If jobqueue.yaml cannot be used.
    """
    jobs = resources.Jobs(run, cluster, workers, cores)
    has = {rule: threads.get(rule, 2 if rule == "ingest" else jobs.threads(rule)) for rule in RULES}
    own = {rule: asked.get(rule, {}) for rule in RULES}
    where = {rule: own[rule].get("slurm_partition", "the default partition") if slurm_jobs else HERE for rule in RULES}
    minutes = {rule: own[rule].get("runtime", "") for rule in RULES}
    limits = {rule: 60.0 * (int(n) if n.isdecimal() else jobs.runtime(rule)) for rule, n in minutes.items()}
    limits = limits if slurm_jobs else {}
    engine, worker_cores, memory = run.config["deconvolution"]["engine"], max(1, has["deconvolve"] // workers), None
    if cluster == "local":
        where["workers"] = where["deconvolve"]
        engine = engine if engine != "auto" else deconvolution.resolve(engine)
        memory = capacity.memory_limit() // workers if not slurm_jobs else None
    else:
        section = jobqueue.section(cluster)
        where["workers"] = str(dask.config.get(f"jobqueue.{cluster}.queue") or "the default partition")
        limits["workers"], worker_cores, memory = section.walltime, section.cores, section.memory
        engine = engine if engine != "auto" else "gpu" if section.gpu else "cpu"
    return Place(
        slurm_jobs=slurm_jobs,
        cores=cores,
        threads={rule: n if slurm_jobs else min(n, cores) for rule, n in has.items()},
        memory={rule: jobs.memory(rule)(None, 1) * resources.MB for rule in RULES},
        partitions=where,
        limits=limits,
        cluster=cluster,
        workers=workers,
        worker_cores=worker_cores,
        worker_memory=memory,
        engine=engine,
    )
