"""Deconvolve one block: a Dask task for each volume whose record does not hold."""

from pathlib import Path
from typing import Any

from lightsheet.cluster import WorkerRequest, label_jobs
from lightsheet.processing import deconvolve_block
from lightsheet.store import Results, StoreLayout
from lightsheet.system import log_job, write_json


def deconvolve(
    results: Results,
    block: tuple[list[str], list[int]],
    settings: dict[str, Any],
    layout: StoreLayout,
    manifest: Path,
    workers: WorkerRequest,
    attempt: int,
) -> None:
    """Do what is missing of a block (channels, timepoints), then write its manifest."""
    done = deconvolve_block(results, *block, settings, layout, workers, attempt)
    write_json(manifest, done)


if __name__ == "__main__":
    with log_job(snakemake.log[0]):
        deconvolve(
            snakemake.params.results,
            (snakemake.params.channels, snakemake.params.timepoints),
            snakemake.params.settings,
            snakemake.params.layout,
            Path(snakemake.output[0]),
            WorkerRequest(
                snakemake.resources.dask_cluster,
                snakemake.resources.dask_workers,
                snakemake.threads,
                f"{label_jobs(snakemake.params.results.folder)}-{snakemake.wildcards.block}",
                snakemake.params.results.folder / "logs" / "workers",
            ),
            snakemake.resources.attempt,
        )
