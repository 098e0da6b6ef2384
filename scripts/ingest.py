"""Ingest what is missing of one block of one channel, each volume with its record; then write the block's manifest."""

from pathlib import Path

from lightsheet.processing import ingest_block
from lightsheet.store import end_with_run
from lightsheet.system import log_job, write_json

if __name__ == "__main__":
    with log_job(snakemake.log[0]):
        end_with_run()
        manifest = ingest_block(
            snakemake.params.results,
            snakemake.wildcards.channel,
            snakemake.params.tiles.content,
            snakemake.params.layout,
            snakemake.threads,
            snakemake.resources.attempt,
            snakemake.params.facts,
            snakemake.params.region,
        )
        write_json(Path(snakemake.output[0]), manifest)
