"""Prove that every volume is there and whole, publish the stores, write the provenance."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from lightsheet.provenance import write_crate
from lightsheet.run import check_shards, publish_stores, remove_unfinished, write_manifest
from lightsheet.system import log_job

if __name__ == "__main__":
    with log_job(snakemake.log[0]):
        run = snakemake.params.run
        remove_unfinished(run.results)
        done = check_shards(run, snakemake.threads)
        publish_stores(run, done)
        started = min(
            datetime.fromisoformat(record["finished"]) - timedelta(seconds=sum(record["seconds"].values()))
            for record in done.values()
        )
        repository = Path(snakemake.scriptdir).parent
        write_crate(run, done, repository=repository, started=started, ended=datetime.now(UTC))
        write_manifest(done, Path(snakemake.output[0]))
