"""Ingest one block of one channel: TIFF volumes into the work area, each with its record."""

from pathlib import Path
from typing import Any

from lightsheet import blocks, files, log
from lightsheet.results import Results
from lightsheet.store import Layout


def ingest(results: Results, channel: str, tiles: list[Any], layout: Layout, manifest: Path, threads: int) -> None:
    """Do what is missing of a block, then write its manifest."""
    files.write_json(manifest, blocks.ingest(results, channel, tiles, layout, threads))


if __name__ == "__main__":
    with log.job(snakemake.log[0]):
        ingest(
            snakemake.params.results,
            snakemake.wildcards.channel,
            snakemake.params.tiles,
            snakemake.params.layout,
            Path(snakemake.output[0]),
            snakemake.threads,
        )
