"""Ingest one block of one channel: TIFF volumes into the work area, each with its record."""

from pathlib import Path
from typing import Any

from lightsheet.processing import ingest_block
from lightsheet.store import Results, StoreLayout
from lightsheet.system import log_job, write_json


def ingest(results: Results, channel: str, tiles: list[Any], layout: StoreLayout, manifest: Path, threads: int) -> None:
    """Do what is missing of a block, then write its manifest."""
    write_json(manifest, ingest_block(results, channel, tiles, layout, threads))


if __name__ == "__main__":
    with log_job(snakemake.log[0]):
        ingest(
            snakemake.params.results,
            snakemake.wildcards.channel,
            snakemake.params.tiles,
            snakemake.params.layout,
            Path(snakemake.output[0]),
            snakemake.threads,
        )
