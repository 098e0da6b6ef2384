"""What of Snakemake and its SLURM plugin is used that no documentation promises, looked up before it is relied on.

An attribute that a newer Snakemake calls otherwise would be assigned, or asked after, without effect: a run would say
that nothing is to be done, or leave its jobs in SLURM's queue.
"""

from collections.abc import Collection, Mapping
from functools import reduce
from importlib import import_module
from typing import Any

from snakemake.exceptions import WorkflowError  # type: ignore[import-untyped]

from lightsheet.system import explain_missing_part, find_missing_parts
from lightsheet.workflow.module_use import refuse_prefix

Parts = Mapping[str, tuple[str, ...]]
"""Names of attributes by the dotted path of what has them."""

SNAKEMAKE = "snakemake", "9.27"
PLUGIN = "snakemake-executor-plugin-slurm", "2.8"

WORKFLOW: Parts = {
    "workflow": (
        *(
            "is_main_process",
            "overwrite_configfiles",
            "main_snakefile",
            "nodes",
            "cores",
            "local_exec",
            "execute",
            "_prepare_dag",
            "output_settings",
            "config_settings",
        ),
        *("dag", "resource_settings", "dag_settings", "execution_settings", "executor_settings"),
        *("configfiles", "modifier", "_onstart", "_onsuccess", "_onerror"),
    ),
    "workflow.config_settings": ("config_args",),
    "workflow.modifier": ("path_modifier",),
    "workflow.resource_settings": ("default_resources", "overwrite_resources", "overwrite_threads"),
}
"""There when the Snakefile is parsed."""

SETTINGS = {
    "workflow.dag_settings": ("snakemake.settings.types", "DAGSettings", ("force_incomplete",)),
    "workflow.execution_settings": ("snakemake.settings.types", "ExecutionSettings", ("lock",)),
    "executor_plugin.common_settings": (
        "snakemake_interface_executor_plugins.settings",
        "CommonSettings",
        ("dryrun_exec",),
    ),
    "workflow.dag": ("snakemake.dag", "DAG", ("check_output_mtime",)),
    "workflow.scheduler": ("snakemake.scheduling.job_scheduler", "JobScheduler", ("exit_gracefully",)),
}
"""There later, but their modules and classes are known when the Snakefile is parsed."""

DAG: Parts = {"workflow.dag": ("forcefiles", "targetrules", "needrun_jobs")}
"""There when Snakemake plans jobs."""

SCHEDULER: Parts = {
    "workflow": ("scheduler",),
    "workflow.scheduler": ("_executor", "_local_executor", "global_resources", "resources"),
    "workflow.scheduler._executor": ("cancel", "shutdown"),
}
"""There before the first job."""

EXECUTOR: Parts = {
    "workflow.scheduler._executor": (
        *("workflow", "run_uuid", "slurm_logdir", "array_jobs", "run_job", "check_active_jobs"),
        *("wait", "wait_thread", "sleep"),
        *("report_job_submission", "report_job_success", "report_job_error", "_report_job_error_threadsafe"),
        *("additional_general_args", "get_python_executable", "get_job_args", "_fallback_account_arg"),
    ),
    "workflow.executor_settings": (
        "jobname_prefix",
        "logdir",
        "keep_successful_logs",
        "init_seconds_before_status_checks",
    ),
}
"""There before the first job if the SLURM plugin submits jobs."""


def check_parsing(workflow: Any) -> None:
    """Refuse a Snakemake that lacks what is used when the Snakefile is parsed, and a use of it that would mislead.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow, as the Snakefile has it
    """
    _check(workflow, WORKFLOW, *SNAKEMAKE)
    for path, (module, name, names) in SETTINGS.items():
        settings = getattr(import_module(module), name, None)  # imported here, as Snakemake has done that already
        _refuse_missing(settings, names, path, *SNAKEMAKE)
    refuse_prefix(workflow)


def check_start(workflow: Any) -> None:
    """Refuse a Snakemake, or its SLURM plugin, that lacks what is used from its first job on.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow, as the Snakefile has it when it starts
    """
    _check(workflow, SCHEDULER, *SNAKEMAKE)
    if type(workflow.scheduler._executor).__module__.partition(".")[0] == PLUGIN[0].replace("-", "_"):
        _check(workflow, EXECUTOR, *PLUGIN)


def force_files(workflow: Any, files: Collection[str]) -> None:
    """Make Snakemake run the jobs of some outputs, whatever it thinks of them; called while it plans jobs.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow, as the Snakefile has it
    files : collection of str, the outputs
    """
    _check(workflow, DAG, *SNAKEMAKE)
    workflow.dag.forcefiles.update(files)


def list_targets(workflow: Any) -> list[str]:
    """Name the rules that are to be made; called while Snakemake plans jobs, or later.

    Parameters
    ----------
    workflow : snakemake.workflow.Workflow, as the Snakefile has it
    """
    _check(workflow, DAG, *SNAKEMAKE)
    return [rule.name for rule in workflow.dag.targetrules]


def _check(workflow: Any, parts: Parts, package: str, series: str) -> None:
    for path, names in parts.items():
        _refuse_missing(reduce(getattr, path.split(".")[1:], workflow), names, path, package, series)


def _refuse_missing(subject: Any, names: tuple[str, ...], path: str, package: str, series: str) -> None:
    if missing := find_missing_parts(subject, names):
        raise WorkflowError(explain_missing_part(package, f"{path}.{missing[0]}", series))
