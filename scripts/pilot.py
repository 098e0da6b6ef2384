"""Try iterations and methods on one volume of each channel, measure what they take, and draw a sheet to choose from."""

from lightsheet.cluster import WorkerRequest, read_number
from lightsheet.planning import measure_job_age, run_pilot
from lightsheet.store import end_with_run
from lightsheet.system import log_job

if __name__ == "__main__":
    age = measure_job_age()
    with log_job(snakemake.log[0]):
        end_with_run()
        run_pilot(
            snakemake.params.results,
            snakemake.params.plan,
            snakemake.params.bases,
            snakemake.params.layouts,
            WorkerRequest(
                snakemake.resources.dask_cluster,
                read_number(snakemake.resources.dask_workers, snakemake.resources.dask_cluster),
                snakemake.threads,
                snakemake.params.results,
                "pilot",
            ),
            age,
        )
