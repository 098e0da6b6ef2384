"""Foresee what a run will take before any pixel is computed: jobs, time, memory, disk, and what does not fit."""

from lightsheet.planning import plan_run
from lightsheet.system import log_job, logger, read_json, write_json, write_text

if __name__ == "__main__":
    with log_job(snakemake.log[0]):
        results = snakemake.params.run.results
        text, numbers = plan_run(snakemake.params.run, snakemake.params.place, read_json(results.pilot), results.folder)
        logger.info("%s", text)
        write_text(results.folder / "plan.txt", text)
        write_json(results.folder / "plan.json", numbers)
