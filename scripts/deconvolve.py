"""Deconvolve one block: a Dask task for each volume whose record does not hold."""

from pathlib import Path
from typing import Any

from lightsheet import blocks, files, log, slurm
from lightsheet.cluster import Workers
from lightsheet.results import Results
from lightsheet.store import Layout


def deconvolve(
    results: Results,
    block: tuple[list[str], list[int]],
    settings: dict[str, Any],
    layout: Layout,
    manifest: Path,
    workers: Workers,
    attempt: int,
) -> None:
    """Do what is missing of a block (channels, timepoints), then write its manifest."""
    done = blocks.deconvolve(results, *block, settings, layout, workers, attempt)
    files.write_json(manifest, done)


if __name__ == "__main__":
    with log.job(snakemake.log[0]):
        deconvolve(
            snakemake.params.results,
            (snakemake.params.channels, snakemake.params.timepoints),
            snakemake.params.settings,
            snakemake.params.layout,
            Path(snakemake.output[0]),
            Workers(
                snakemake.resources.dask_cluster,
                snakemake.resources.dask_workers,
                snakemake.threads,
                f"{slurm.label(snakemake.params.results.folder)}-{snakemake.wildcards.block}",
                snakemake.params.results.folder / "logs" / "workers",
            ),
            snakemake.resources.attempt,
        )
