"""A folder of light-sheet TIFF stacks becomes one deconvolved OME-Zarr with its provenance."""

import sys

from snakemake.logging import logger
from snakemake.utils import min_version

min_version("9.16.3")  # the first whose resources can be read here

sys.path.insert(0, f"{workflow.current_basedir}/scripts")
from lightsheet.system import InputError, say_interrupts, silence_tifffile

say_interrupts()

from lightsheet.planning import (
    describe_outcome as describe_pilot,
    is_pilot_current,
    plan_layouts,
    plan_pilot,
)
from lightsheet.run import describe_suspicions, list_expectations, prepare_run
from lightsheet.workflow import (
    Handlers,
    Hidden,
    RunError,
    check_config_files,
    check_parsing,
    describe_default,
    describe_outcome,
    explain_failure,
    find_due_outputs,
    force_files,
    guard_execution,
    list_targets,
    may_fork_jobs,
    needs_psfs,
    read_jobs,
    read_place,
    refuse_shell_names,
    start_run,
    tell_results,
    type_config_values,
)

check_parsing(workflow)
silence_tifffile()
if workflow.is_main_process:
    check_config_files(workflow)

# A user's own file replaces this one: merged, a key left out would silently be another experiment's.
if not workflow.overwrite_configfiles and not workflow.configfiles:

    configfile: "config/config.yaml"


type_config_values(config, workflow)
try:
    run = prepare_run(
        config,
        in_job=not workflow.is_main_process,
        needs_psfs=workflow.is_main_process and needs_psfs(sys.argv),
    )
    jobs = read_jobs(run, workflow)
    if workflow.is_main_process:
        refuse_shell_names(run, workflow)
    pilot_plan = plan_pilot(run)
except InputError as error:
    raise RunError(f"{error}{describe_default(workflow)}") from None


report: "report/workflow.rst"


RESULTS = str(run.results.folder)
ENGINE = run.config["deconvolution"]["engine"]
due, done = set(), {}


def find_work():
    outputs, records = find_due_outputs(jobs, workflow, sys.argv)
    due.update(outputs)
    done.update(records)
    if not is_pilot_current(run.results, pilot_plan):
        due.add(str(run.results.pilot_page))


def tell_outcome(logs):
    if "pilot" in list_targets(workflow):
        for line in describe_pilot(run.results):
            logger.info(line)
    tell_results(run, workflow)


def describe_present():
    """Describe what there is when nothing is to be done."""
    lines = describe_pilot(run.results) if "pilot" in list_targets(workflow) else []
    return [*lines, *describe_suspicions(run, done), *describe_outcome(run, done)]


# Of a module, Snakemake would not heed onstart, onsuccess and onerror.
guard_execution(
    workflow,
    run.results,
    find_work,
    Handlers(
        start=lambda logs: start_run(jobs, workflow, due),
        succeed=tell_outcome,
        fail=lambda logs: explain_failure(jobs, logs),
    ),
    describe_present,
    lambda: may_fork_jobs(workflow, jobs, due),
)


def force_due(wildcards):
    """Force the jobs that the records ask for.

    No rule has TIFFs or PSF images among its inputs: Snakemake would compare their dates, which may lie, and fail jobs
    whose inputs are from the future. It sees only manifests, and when they were written.
    """
    force_files(workflow, due)
    return []


def list_manifests(wildcards):
    return force_due(wildcards) + run.list_manifests()


# Snakemake compares and prints what is of builtin types: of long lists their digests.
def hide_tiles(wildcards):
    timepoints = run.ingest_blocks[wildcards.block]
    return Hidden(run.list_tiles(wildcards.channel, timepoints))


def hide_all_tiles():
    return Hidden([run.list_tiles(c, run.timepoints) for c in run.channels])


def hide_sources(wildcards):
    return Hidden(run.list_block_sources(wildcards.block))


def force_inventory(wildcards):
    """Print the inventory each time that it is the target, although its file is there."""
    if "inventory" in list_targets(workflow):
        force_files(workflow, {f"{RESULTS}/inventory.csv"})
    return force_due(wildcards)


wildcard_constraints:
    channel="|".join(map(re.escape, run.channels)),


localrules:
    all,
    inventory,
    psf,
    plan,
    report,


rule all:
    input:
        f"{RESULTS}/report.html",
        f"{RESULTS}/inventory.csv",
        expand(f"{RESULTS}/psf/{{channel}}.png", channel=run.channels),


rule inventory:
    input:
        force_inventory,
    output:
        report(
            f"{RESULTS}/inventory.csv",
            caption="report/inventory.rst",
            category="Acquisition",
        ),
    log:
        f"{RESULTS}/logs/inventory.log",
    retries: 0
    conda:
        "envs/lightsheet.yaml"
    params:
        acquisition=run.acquisition,
        volumes=run.describe_volume(),
        share=run.describe_share(),
        digest=lambda wildcards: hide_all_tiles().digest,
        results=run.results,
        channels=run.channels,
        output={key: run.config["output"][key] for key in ("dtype", "scale")},
        scan=list_expectations(run.config),
    script:
        "scripts/inventory.py"


rule psf:
    input:
        force_due,
    output:
        tif=f"{RESULTS}/psf/{{channel}}.tif",
        png=report(
            f"{RESULTS}/psf/{{channel}}.png",
            caption="report/psf.rst",
            category="PSFs used",
            labels={"channel": "{channel}"},
        ),
        json=f"{RESULTS}/psf/{{channel}}.json",
    log:
        f"{RESULTS}/logs/psf.{{channel}}.log",
    priority: 1  # a PSF that is refused is told before hours of ingest
    retries: 0
    conda:
        "envs/lightsheet.yaml"
    params:
        image=lambda wildcards: run.find_psf_file(wildcards.channel),
        settings=lambda wildcards: run.psf_settings[wildcards.channel],
    script:
        "scripts/psf.py"


rule ingest:
    output:
        run.name_ingest_manifest("{channel}", "{block}"),
    log:
        f"{RESULTS}/logs/ingest.{{channel}}.{{block}}.log",
    wildcard_constraints:
        block="|".join(run.ingest_blocks),
    conda:
        "envs/lightsheet.yaml"
    threads: jobs.plan_threads("ingest")
    resources:
        mem_mb=jobs.plan_memory("ingest"),
        runtime=jobs.plan_runtime("ingest"),
        attempt=lambda wildcards, attempt: attempt,
    params:
        results=run.results,
        tiles=lambda wildcards: hide_tiles(wildcards),
        digest=lambda wildcards: hide_tiles(wildcards).digest,
        layout=run.layouts["raw"],
        facts=run.facts,
        region=run.region,
    script:
        "scripts/ingest.py"


rule deconvolve:
    input:
        manifests=lambda wildcards: run.list_ingest_manifests(wildcards.block),
        psfs=expand(rules.psf.output.tif, channel=run.channels),
    output:
        run.name_deconvolve_manifest("{block}"),
    log:
        f"{RESULTS}/logs/deconvolve.{{block}}.log",
    wildcard_constraints:
        block="|".join(run.blocks),
    conda:
        "envs/lightsheet-gpu.yaml" if ENGINE == "gpu" else "envs/lightsheet.yaml"
    threads: jobs.plan_threads("deconvolve")
    resources:
        mem_mb=jobs.plan_memory("deconvolve"),
        runtime=jobs.plan_runtime("deconvolve"),
        dask_cluster=jobs.dask_cluster,
        dask_workers=jobs.dask_workers,
        coordinators=1,
        attempt=lambda wildcards, attempt: attempt,
    params:
        results=run.results,
        channels=run.channels,
        timepoints=lambda wildcards: run.blocks[wildcards.block],
        settings=run.settings,
        bases=run.choice_bases,
        layout=run.layouts["result"],
        sources=lambda wildcards: hide_sources(wildcards),
        digest=lambda wildcards: hide_sources(wildcards).digest,
    script:
        "scripts/deconvolve.py"


rule consolidate:
    input:
        inventory=rules.inventory.output,
        manifests=list_manifests,
    output:
        run.results.manifest("consolidate"),
    log:
        f"{RESULTS}/logs/consolidate.log",
    conda:
        "envs/lightsheet.yaml"
    threads: jobs.plan_threads("consolidate")
    resources:
        mem_mb=jobs.plan_memory("consolidate"),
        runtime=jobs.plan_runtime("consolidate"),
    params:
        run=run,
    script:
        "scripts/consolidate.py"


rule report:
    input:
        rules.consolidate.output,
    output:
        report(
            f"{RESULTS}/report.html", caption="report/report.rst", category="Results"
        ),
    log:
        f"{RESULTS}/logs/report.log",
    retries: 0
    conda:
        "envs/lightsheet.yaml"
    params:
        results=run.results,
    script:
        "scripts/report.py"


rule pilot:
    input:
        force_due,
        psfs=expand(rules.psf.output.tif, channel=run.channels),
    output:
        page=f"{RESULTS}/pilot.html",
        numbers=f"{RESULTS}/pilot.json",
    log:
        f"{RESULTS}/logs/pilot.log",
    conda:
        "envs/lightsheet-gpu.yaml" if ENGINE == "gpu" else "envs/lightsheet.yaml"
    threads: jobs.plan_threads("pilot")
    resources:
        mem_mb=jobs.plan_memory("pilot"),
        runtime=jobs.plan_runtime("pilot"),
        dask_cluster=jobs.dask_cluster,
        dask_workers=jobs.dask_workers,
        coordinators=1,
    params:
        results=run.results,
        plan=pilot_plan,
        bases=run.choice_bases,
        layouts=plan_layouts(run),
    script:
        "scripts/pilot.py"


rule plan:
    log:
        f"{RESULTS}/logs/plan.log",
    retries: 0
    conda:
        "envs/lightsheet.yaml"
    params:
        run=run,
        place=lambda wildcards: read_place(workflow, jobs),
    script:
        "scripts/plan.py"


rule verify:
    input:
        rules.consolidate.output,
    log:
        f"{RESULTS}/logs/verify.log",
    conda:
        "envs/lightsheet.yaml"
    threads: jobs.plan_threads("verify")
    resources:
        mem_mb=jobs.plan_memory("verify"),
        runtime=jobs.plan_runtime("verify"),
        volumes=2,
    params:
        results=run.results,
        raw=run.acquisition.folder,  # the provenance says where it was, before folders were moved
    script:
        "scripts/verify.py"
