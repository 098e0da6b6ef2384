"""The beginning of a run: what is to be done, and why, and what is prepared before the first job; and its end."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import psutil
from snakemake.logging import logger  # type: ignore[import-untyped]

from lightsheet.deconvolution import decide_cpu_engine
from lightsheet.run import (
    Jobs,
    Run,
    check_copies,
    choose_due,
    choose_for_pilot,
    describe_suspicions,
    find_backlog,
    list_failed_volumes,
    list_outputs,
    refuse_hopeless_channels,
    remove_unfinished_pages,
    repair_stores,
    summarise_run,
)
from lightsheet.store import Record, VolumeKey
from lightsheet.system import log_on_screen
from lightsheet.workflow.clean_end import prepare_clean_end
from lightsheet.workflow.cluster_check import check_cluster
from lightsheet.workflow.failures import list_disk_errors, list_failures
from lightsheet.workflow.guard import list_folders
from lightsheet.workflow.outcome import describe_outcome
from lightsheet.workflow.parts import check_start, list_targets
from lightsheet.workflow.resources import read_engines

LOOK = (
    "All volumes are done as the configuration says. These jobs look once whether that is so, because the workflow has "
    "changed since, or because that was asked for; they make no volume again."
)
"""Said of jobs that Snakemake runs by itself: it compares their scripts and parameters with those of the last run."""

FORESIGHT = {"pilot", "plan"}
"""Targets that need little of a disk which is too small for the run: the plan says so instead of being refused."""


OTHER_TARGETS = {"all", "psf", "ingest", "deconvolve", "consolidate", "report", "pilot", "plan", "verify"}

RESULT_SUFFIXES = (".html", ".json", ".tif", ".png")
"""Suffixes of results that users may name as targets."""


def needs_psfs(targets: Iterable[str]) -> bool:
    """Tell whether a command needs PSFs: all but the one that lists the files of an acquisition.

    Parameters
    ----------
    targets : iterable of str, the command line: when the Snakefile is parsed, Snakemake does not know its targets
    """
    words = set(targets)
    is_alone = OTHER_TARGETS.isdisjoint(words) and not any(word.endswith(RESULT_SUFFIXES) for word in words)
    return "inventory" not in words or not is_alone


def find_due_outputs(jobs: Jobs, workflow: Any, targets: Iterable[str]) -> tuple[set[str], Mapping[VolumeKey, Record]]:
    """Find out which declared outputs are to be made, and say what the run makes, and what it does again and why.

    With them it returns the records of the volumes that are done.

    Parameters
    ----------
    jobs : Jobs, of the run
    workflow : snakemake.workflow.Workflow, as the Snakefile has it
    targets : iterable of str, the command line: at this moment Snakemake does not know its targets

    Raises
    ------
    InputError
        If the results folder cannot be written, or its disk cannot hold the run.
    """
    run = jobs.run
    backlog = find_backlog(run, read_engines(run, workflow, jobs))
    if FORESIGHT.isdisjoint(targets):
        logger.info(summarise_run(run, backlog))
    if remark := run.acquisition.waiting_remark:
        logger.info(remark)
    return list_outputs(run, backlog), backlog.done


def start_run(jobs: Jobs, workflow: Any, due: Collection[str]) -> None:
    """Prepare a run before its first job.

    Parameters
    ----------
    jobs : Jobs, of the run
    workflow : snakemake.workflow.Workflow, as the Snakefile has it
    due : collection of str, the outputs that `find_due_outputs` returned

    Raises
    ------
    InputError
        If SLURM can never run its jobs, a copy of the results is not one, or the pixels of a channel do not show what
        is to be chosen from them.
    """
    check_start(workflow)
    decide_cpu_engine()
    prepare_clean_end(workflow, jobs)
    check_cluster(workflow, jobs)
    jobs.run.record_files()
    jobs.run.record_blocks()
    if FORESIGHT.isdisjoint(list_targets(workflow)):
        check_copies(jobs.run)
    remove_unfinished_pages(jobs.run.results)
    repair_stores(jobs.run)
    files = list_due_files(workflow)
    if files.isdisjoint(due) and str(jobs.run.results.manifest("consolidate")) in files:
        logger.info(LOOK)
    _choose_from_pixels(jobs.run, files)


def _choose_from_pixels(run: Run, due: Collection[str]) -> None:
    """Choose what the jobs that write the files `due` need; a module may have given their rules other names."""
    manifests = {run.name_deconvolve_manifest(block) for block in run.blocks}
    with log_on_screen():
        # Besides these jobs, later runs need it.
        if not manifests.union({str(run.results.inventory)}).isdisjoint(due):
            choose_due(run)
        if str(run.results.pilot_page) in due:
            choose_for_pilot(run)
    if not manifests.isdisjoint(due):
        refuse_hopeless_channels(run)


def list_due_files(workflow: Any, *, with_finished: bool = False) -> set[str]:
    """Return the outputs of the jobs that are to run, or that ran in this run as well."""
    jobs = workflow.dag.needrun_jobs(exclude_finished=not with_finished)
    return {str(output) for job in jobs for output in job.output}


def tell_results(run: Run, workflow: Any) -> None:
    """Log at the end of a run what is suspect of the result that it has published, where that is, and what it took.

    Parameters
    ----------
    run : Run
    workflow : snakemake.workflow.Workflow, as the Snakefile has it
    """
    published = {str(run.results.report), str(run.results.manifest("consolidate"))}
    if published.isdisjoint(list_due_files(workflow, with_finished=True)):
        return
    records = run.read_records()
    for line in describe_suspicions(run, records):
        logger.warning(line)
    logger.info("\n".join(describe_outcome(run, records, psutil.Process().create_time())))


def explain_failure(jobs: Jobs, logs: Iterable[str]) -> None:
    """Log why a run failed: volumes, SLURM jobs, disks; and how to go on.

    Parameters
    ----------
    jobs : Jobs, of the run
    logs : iterable of str, the log files that Snakemake names when a run ends
    """
    run, logs = jobs.run, list(logs)
    disks = list_disk_errors(logs, list_folders(run.results))
    for failure in [*list_failed_volumes(run), *list_failures(logs), *disks]:
        logger.error(failure)
    logger.error(f"Logs are in {run.results.folder}/logs. What was done is kept: the same command goes on from here.")
