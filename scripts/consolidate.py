"""Prove that every volume is there and whole, publish the stores, write the provenance."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from lightsheet.provenance import write_crate
from lightsheet.run import Run, check_shards, publish_stores, remove_unfinished, write_manifest
from lightsheet.system import log_job


def consolidate(run: Run, manifest: Path, repository: Path, threads: int) -> None:
    """Publish a run whose volumes are all done."""
    remove_unfinished(run.results)
    done = check_shards(run, threads)
    publish_stores(run, done)
    started = min(
        datetime.fromisoformat(record["finished"]) - timedelta(seconds=sum(record["seconds"].values()))
        for record in done.values()
    )
    write_crate(run, done, repository=repository, started=started, ended=datetime.now(UTC))
    write_manifest(done, manifest)


if __name__ == "__main__":
    with log_job(snakemake.log[0]):
        consolidate(
            snakemake.params.run,
            Path(snakemake.output[0]),
            Path(snakemake.scriptdir).parent,
            snakemake.threads,
        )
