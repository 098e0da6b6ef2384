"""Prove that every volume is there and whole, publish the stores, write the provenance."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from lightsheet.provenance import write_crate
from lightsheet.run import check_shards, publish_stores, remove_unfinished, write_manifest
from lightsheet.store import end_with_run
from lightsheet.system import log_job

if __name__ == "__main__":
    with log_job(snakemake.log[0]):
        end_with_run()
        run = snakemake.params.run
        remove_unfinished(run.results)
        records = check_shards(run, snakemake.threads)
        publish_stores(run, records)
        started = min(
            datetime.fromisoformat(record["finished"]) - timedelta(seconds=sum(record["seconds"].values()))
            for record in records.values()
        )
        repository = Path(snakemake.scriptdir).parent
        write_crate(run, records, repository=repository, started=started, ended=datetime.now(UTC))
        write_manifest(records, Path(snakemake.output[0]))
