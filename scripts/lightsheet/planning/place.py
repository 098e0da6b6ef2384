"""Where a run's jobs and workers would be, and what they may use there: this machine, or partitions of a SLURM."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import dask
import yaml

from lightsheet.cluster import (
    AUTO,
    JOBQUEUE,
    SITE_RESOURCES,
    UNKNOWN,
    choose_local_slots,
    choose_number,
    count_devices,
    limit_to_devices,
    read_number,
    read_section,
)
from lightsheet.deconvolution import resolve_engine
from lightsheet.run import MB, RULES, SLURM_CORES, Jobs, Run, fit_run_workers, plan_least_needs
from lightsheet.system import InputError, count_cores, find_memory_limit

THIS_MACHINE = "this machine"
DEFAULT_PARTITION = "the default partition"


class Share(NamedTuple):
    """What a job or a worker gets: cores, bytes (None: what it needs), and seconds until it is ended."""

    cores: int = 1
    memory: int | None = None
    partition: str = THIS_MACHINE
    limit: float = math.inf


class Place(NamedTuple):
    """Where a run is computed.

    `slurm_jobs` are in SLURM's queue at a time, or else (None) jobs share `cores` of this machine. Each `deconvolve`
    job has `workers` in `cluster`: `local`, or a section of jobqueue.yaml. `shares` are by rule, and of one worker,
    which has so many volumes in hand at a time: `slots`.
    """

    slurm_jobs: int | None
    cores: int
    cluster: str
    workers: int
    engine: str
    shares: Mapping[str, Share]
    slots: int = 1

    @property
    def worker(self) -> Share:
        """What a worker gets."""
        return self.shares["workers"]


def choose_place(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return where jobs would run, for `plan_run`: as a profile says, or on this machine, with what else is chosen.

    Parameters
    ----------
    options : mapping
        `profile`, the folder of one or None; `cluster`, `workers`, `cores` and `slurm_jobs`, None where not chosen.
    """
    profile = options["profile"]
    if profile and (profile / "jobqueue.yaml").is_file():
        os.environ.setdefault(JOBQUEUE, str((profile / "jobqueue.yaml").absolute()))
    place = read_profile(profile) if profile else describe_machine(count_cores())
    keys = ("cluster", "workers", "cores", "slurm_jobs")
    return {**place, **{key: options[key] for key in keys if options[key] is not None}}


def read_profile(folder: Path) -> dict[str, Any]:
    """Read from a Snakemake profile where jobs and workers are, for `plan_run`."""
    path = folder / "config.yaml"
    if not path.is_file():
        raise InputError(f"--profile {folder}: there is no {path}")
    profile = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    keys = ("default-resources", "set-resources", "set-threads")
    default, of_rules, threads = (profile.get(key) or {} for key in keys)
    site = {key: default[key] for key in default if key in SITE_RESOURCES}
    resources = {rule: site | (of_rules.get(rule) or {}) for rule in RULES}
    workers = default | (of_rules.get("deconvolve") or {})
    slurm = profile.get("executor") == "slurm"
    cluster = str(workers.get("dask_cluster", "local"))
    return {
        "cluster": cluster,
        "workers": read_number(workers.get("dask_workers"), cluster),
        "cores": SLURM_CORES if slurm else count_cores(),
        "slurm_jobs": int(profile.get("jobs", 100)) if slurm else None,
        "threads": {rule: int(number) for rule, number in threads.items() if rule in RULES},
        "resources": {rule: {key: str(value) for key, value in request.items()} for rule, request in resources.items()},
    }


def describe_machine(cores: int) -> dict[str, Any]:
    """Describe this machine, for `plan_run`, as a place where jobs share so many cores."""
    return {"cluster": "local", "workers": AUTO, "cores": cores, "slurm_jobs": None, "threads": {}, "resources": {}}


def describe_place(run: Run, place: Mapping[str, Any]) -> Place:
    """Find out what jobs and workers get; `threads`, `slurm_partition` and `runtime` of a rule may be missing."""
    cluster, workers, cores, slurm_jobs = (place[key] for key in ("cluster", "workers", "cores", "slurm_jobs"))
    jobs, shares = Jobs(run, cluster, workers, cores), {}
    for rule in RULES:
        number = place["threads"].get(rule, jobs.choose_threads(rule))
        memory = jobs.plan_memory(rule)(None, 1, number) * MB
        if slurm_jobs:
            resources = place["resources"].get(rule, {})
            minutes = resources.get("runtime", "")
            limit = 60.0 * (int(minutes) if minutes.isdecimal() else jobs.plan_runtime(rule))
            shares[rule] = Share(number, memory, resources.get("slurm_partition", DEFAULT_PARTITION), limit)
        else:
            shares[rule] = Share(min(number, cores), memory)
    setting, slots = run.config["deconvolution"]["engine"], 1
    if cluster == "local":
        engine = resolve_engine(setting)
        workers, slots = _count_local_workers(run, workers, shares["deconvolve"], engine)
        shares["workers"] = _share_job(workers, shares["deconvolve"])
    else:
        section = read_section(cluster)
        engine, width = section.choose_engine(setting), fit_run_workers(run, section, workers, UNKNOWN, None)
        queue = str(dask.config.get(f"jobqueue.{cluster}.queue") or DEFAULT_PARTITION)
        shares["workers"], slots = Share(width.cores, section.memory, queue, section.walltime), width.slots
    return Place(slurm_jobs, cores, cluster, workers, engine, shares, slots)


def _count_local_workers(run: Run, workers: int, job: Share, engine: str) -> tuple[int, int]:
    """Return how many workers a `deconvolve` job has on its own cores, and how many volumes each has in hand."""
    available = find_memory_limit() if job.partition == THIS_MACHINE else job.memory or 0
    needs, volumes = plan_least_needs(run, engine), len(run.acquisition.volumes)
    if workers == AUTO:
        workers = choose_number(job.cores, volumes, needs, available, count_devices(engine))
    workers = limit_to_devices(min(workers, job.cores), engine)
    return workers, choose_local_slots(needs, max(1, job.cores // workers), volumes, workers, available)


def _share_job(workers: int, job: Share) -> Share:
    """Return what each of the workers on a `deconvolve` job's own cores gets."""
    memory = find_memory_limit() // workers if job.partition == THIS_MACHINE else None
    return Share(max(1, job.cores // workers), memory, job.partition)
