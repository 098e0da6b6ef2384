"""Deconvolve one block: a Dask task for each volume whose record does not hold; then write its manifest."""

from pathlib import Path

from lightsheet.cluster import OutOfTimeError, WorkerRequest, count_restarts, put_back, read_number
from lightsheet.processing import deconvolve_block
from lightsheet.store import end_with_run
from lightsheet.system import log_job, write_json

if __name__ == "__main__":
    with log_job(snakemake.log[0]):
        end_with_run()
        try:
            manifest = deconvolve_block(
                snakemake.params.results,
                snakemake.params.channels,
                snakemake.params.timepoints,
                snakemake.params.settings,
                snakemake.params.bases,
                snakemake.params.layout,
                WorkerRequest(
                    snakemake.resources.dask_cluster,
                    read_number(snakemake.resources.dask_workers, snakemake.resources.dask_cluster),
                    snakemake.threads,
                    snakemake.params.results,
                    snakemake.wildcards.block,
                ),
                snakemake.resources.attempt + count_restarts(),
                snakemake.params.sources.content,
            )
        except OutOfTimeError as end:
            put_back(end.done)
        write_json(Path(snakemake.output[0]), manifest)
