"""Try iterations and methods on one volume of each channel, measure what they take, and draw a sheet to choose from."""

from lightsheet import log, slurm
from lightsheet.cluster import Workers
from lightsheet.pilot import job

if __name__ == "__main__":
    age = job.job_age()
    with log.job(snakemake.log[0]):
        job.run(
            snakemake.params.results,
            snakemake.params.plan,
            snakemake.params.layouts,
            Workers(
                snakemake.resources.dask_cluster,
                snakemake.resources.dask_workers,
                snakemake.threads,
                f"{slurm.label(snakemake.params.results.folder)}-pilot",
                snakemake.params.results.folder / "logs" / "workers",
            ),
            age,
        )
