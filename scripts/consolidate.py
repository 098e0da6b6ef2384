"""Prove that every volume is there and whole, publish the stores, write the provenance."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from lightsheet import consolidation, log, provenance
from lightsheet.run import Run


def consolidate(run: Run, manifest: Path, repository: Path, threads: int) -> None:
    """Publish a run whose volumes are all done."""
    consolidation.sweep(run.results)
    done = consolidation.prove(run, threads)
    consolidation.publish_all(run, done)
    started = min(
        datetime.fromisoformat(record["finished"]) - timedelta(seconds=sum(record["seconds"].values()))
        for record in done.values()
    )
    provenance.write(run, done, repository=repository, started=started, ended=datetime.now(UTC))
    consolidation.manifest(done, manifest)


if __name__ == "__main__":
    with log.job(snakemake.log[0]):
        consolidate(
            snakemake.params.run,
            Path(snakemake.output[0]),
            Path(snakemake.scriptdir).parent,
            snakemake.threads,
        )
