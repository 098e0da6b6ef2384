"""Resources as Snakemake's command line and profile give them: where Dask workers run; cores, memory, time of jobs."""

import re
import sys
from typing import Any

from lightsheet.cluster import SITE_RESOURCES, read_number
from lightsheet.run import COORDINATORS, RULES, SLURM_CORES, Jobs, Run
from lightsheet.system import InputError
from lightsheet.workflow.clean_end import list_profiles, use_jobqueue_file


def read_jobs(run: Run, workflow: Any) -> Jobs:
    """Read from Snakemake where a run's Dask workers shall be, and how many cores a job may use.

    Parameters
    ----------
    run : Run, whose jobs they are
    workflow : snakemake.workflow.Workflow, as the Snakefile has it
    """
    partitions = dict[str, str]()
    if (
        workflow.is_main_process and workflow.nodes is not None
    ):  # jobs go to SLURM, and Snakemake knows no number of cores
        cores, partitions = SLURM_CORES, _read_partitions(workflow)
    elif workflow.is_main_process:
        cores = workflow.cores
    else:  # in a job, whose cores Snakemake was told
        cores = min(workflow.cores, SLURM_CORES)
    cluster = str(_read_resource(workflow, "dask_cluster", "local"))
    workers = read_number(_read_resource(workflow, "dask_workers", "auto"), cluster)
    return Jobs(run, cluster, workers, cores, partitions)


def _read_partitions(workflow: Any) -> dict[str, str]:
    """Return the partitions of rules that use many cores; not of one that goes to another cluster or to several."""
    partitions = {}
    for rule in ("ingest", "consolidate", "verify", *COORDINATORS):
        clusters = [_read_resource(workflow, name, "", rule) for name in ("clusters", "slurm_cluster", "cluster")]
        name = str(_read_resource(workflow, "slurm_partition", "", rule))
        if not any(clusters) and re.fullmatch(r"[\w.-]*", name):
            partitions[rule] = name
    return partitions


def read_engines(run: Run, workflow: Any, jobs: Jobs) -> tuple[str, ...]:
    """Return the kinds of engine that the workers of `deconvolve` may turn out to have, one where that is known.

    Parameters
    ----------
    run : Run, whose results are to be recognised
    workflow : snakemake.workflow.Workflow, as the Snakefile has it
    jobs : Jobs, from `read_jobs`
    """
    from lightsheet.cluster import read_section  # imported here, as no job needs it that parses the Snakefile
    from lightsheet.deconvolution import list_engines, resolve_engine

    is_local = jobs.dask_cluster == "local"
    engine = run.config["deconvolution"]["engine"]
    if engine != "auto" or (is_local and workflow.nodes is not None):
        return list_engines(engine)  # the nodes of local workers may have a GPU or not
    if is_local:
        return (resolve_engine("auto"),)
    use_jobqueue_file()
    try:
        return (read_section(jobs.dask_cluster).choose_engine("auto"),)
    except InputError:  # jobqueue.yaml has a mistake; the job that needs the file says so
        return list_engines(engine)


def read_place(workflow: Any, jobs: Jobs) -> dict[str, Any]:
    """Read from Snakemake the arguments of `describe_place`, besides the run.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow, as the Snakefile has it
    jobs : Jobs, from `read_jobs`
    """
    settings = workflow.resource_settings
    default, threads = settings.default_resources or {}, settings.overwrite_threads
    site = {key: value for key, value in default.items() if key in SITE_RESOURCES}
    resources = {rule: {**site, **settings.overwrite_resources.get(rule, {})} for rule in RULES}
    return {
        "cluster": jobs.dask_cluster,
        "workers": jobs.dask_workers,
        "cores": jobs.cores,
        "slurm_jobs": workflow.nodes,
        "profile": name_profile(),
        "threads": {rule: int(n) for rule in RULES if (n := str(_unwrap(threads.get(rule)))).isdecimal()},
        "resources": {
            rule: {key: str(_unwrap(value)) for key, value in values.items()} for rule, values in resources.items()
        },
    }


def bound_coordinators(workflow: Any, jobs: Jobs) -> int:
    """Let Snakemake run one coordinator of SLURM workers at a time, or as many as the user says; return how many.

    Each holds a core and waits for workers: many could fill the nodes that these need, and none would come.
    `--resources coordinators=3` says otherwise.
    """
    scheduler = workflow.scheduler
    if jobs.dask_cluster != "local":
        for resources in (scheduler.global_resources, scheduler.resources):
            resources.setdefault("coordinators", 1)
    return int(min(scheduler.global_resources.get("coordinators", sys.maxsize), workflow.nodes or sys.maxsize))


def bound_jobs(workflow: Any, number: float) -> None:
    """Let Snakemake have at most so many jobs in SLURM's queue at a time."""
    scheduler = workflow.scheduler
    if number < scheduler.global_resources.get("_nodes", 0):
        for resources in (scheduler.global_resources, scheduler.resources):
            resources["_nodes"] = max(1, int(number))


def name_profile() -> str:
    """Name the file of the profile in use, for sentences on what to change."""
    files = (folder / "config.yaml" for folder in list_profiles())
    return next((str(file) for file in files if file.is_file()), "the profile")


def _read_resource(workflow: Any, name: str, default: str | int, rule: str = "deconvolve") -> str | int:
    """Return a resource of a rule: from the command line or the profile, or else the default."""
    settings = workflow.resource_settings
    for resources in (settings.overwrite_resources.get(rule), settings.default_resources):
        if resources and name in resources:
            value: str | int = _unwrap(resources[name])
            return value
    return default


def _unwrap(value: Any) -> Any:
    """Return a value as the user wrote it: Snakemake wraps it, and evaluates no expression without a job."""
    return getattr(value, "raw", value)
