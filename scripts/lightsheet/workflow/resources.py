"""What the jobs of each rule ask for: cores, memory and time, from the size of the volumes and where Dask workers are.

The only other file that knows Snakemake is `lightsheet.workflow.clean_end`.
"""

from typing import Any

from lightsheet.run import Run
from lightsheet.run.jobs import RULES, SLURM_CORES, Jobs


def read_jobs(run: Run, workflow: Any) -> Jobs:
    """Read from Snakemake where Dask workers shall be, and how many cores a job may use.

    Parameters
    ----------
    run : Run
        The plan.
    workflow : snakemake.workflow.Workflow
        As the Snakefile has it.
    """
    # Snakemake that submits SLURM jobs knows no number of cores, and inside a job it knows the whole machine's.
    here = workflow.nodes is None and workflow.is_main_process
    return Jobs(
        run,
        str(_given(workflow, "dask_cluster", "local")),
        int(_given(workflow, "dask_workers", 1)),
        workflow.cores if here else SLURM_CORES,
    )


def read_place(workflow: Any, jobs: Jobs) -> dict[str, Any]:
    """Read from Snakemake what `lightsheet.planning.site.describe_place` needs to know, besides the run.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow
        As the Snakefile has it.
    jobs : Jobs
        Of this run.
    """
    settings = workflow.resource_settings
    default, threads = settings.default_resources or {}, settings.overwrite_threads
    partition = {"slurm_partition": default["slurm_partition"]} if "slurm_partition" in default else {}
    resources = {rule: {**partition, **settings.overwrite_resources.get(rule, {})} for rule in RULES}
    return {
        "cluster": jobs.dask_cluster,
        "workers": jobs.dask_workers,
        "cores": jobs.cores,
        "slurm_jobs": workflow.nodes,
        "threads": {rule: int(n) for rule in RULES if (n := str(_raw(threads.get(rule)))).isdecimal()},
        "resources": {rule: {key: str(_raw(value)) for key, value in of.items()} for rule, of in resources.items()},
    }


def _given(workflow: Any, name: str, default: str | int) -> str | int:
    """Return a resource of `deconvolve` as the command line or the profile gives it."""
    settings = workflow.resource_settings
    for given in (settings.overwrite_resources.get("deconvolve"), settings.default_resources):
        if given and name in given:
            value: str | int = _raw(given[name])
            return value
    return default


def _raw(value: Any) -> Any:
    """Return a value as it was given: Snakemake wraps it, and an expression is not worked out without a job."""
    return getattr(value, "raw", value)
