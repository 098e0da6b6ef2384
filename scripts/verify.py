"""Make randomly chosen volumes again from the provenance alone, and compare them with the published store."""

from lightsheet.provenance import verify_volumes
from lightsheet.store import end_with_run
from lightsheet.system import InputError, log_job

if __name__ == "__main__":
    with log_job(snakemake.log[0]):
        end_with_run()
        folder, volumes = snakemake.params.results.folder, snakemake.resources.volumes
        outcomes = verify_volumes(folder, volumes, snakemake.threads, raw=snakemake.params.raw)
        if failed := [f"{outcome['channel']} t{outcome['timepoint']}" for outcome in outcomes if not outcome["passed"]]:
            raise InputError(
                f"{', '.join(failed)}: made again from the provenance, that is not what the store holds; remove the "
                "record below records/result and run the workflow again"
            )
