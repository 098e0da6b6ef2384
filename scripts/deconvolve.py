"""Deconvolve one block: a Dask task for each volume whose record does not hold; then write its manifest."""

from pathlib import Path

from lightsheet.cluster import WorkerRequest, label_jobs
from lightsheet.processing import deconvolve_block
from lightsheet.store import end_with_run
from lightsheet.system import log_job, write_json

if __name__ == "__main__":
    with log_job(snakemake.log[0]):
        end_with_run()
        manifest = deconvolve_block(
            snakemake.params.results,
            snakemake.params.channels,
            snakemake.params.timepoints,
            snakemake.params.settings,
            snakemake.params.layout,
            WorkerRequest(
                snakemake.resources.dask_cluster,
                snakemake.resources.dask_workers,
                snakemake.threads,
                f"{label_jobs(snakemake.params.results.folder)}-{snakemake.wildcards.block}",
                snakemake.params.results.folder / "logs" / "workers",
            ),
            snakemake.resources.attempt,
        )
        write_json(Path(snakemake.output[0]), manifest)
