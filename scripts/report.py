"""Write the page that a person looks at."""

from pathlib import Path

from lightsheet.store import end_with_run
from lightsheet.system import log_job
from lightsheet.viewing import write_report

if __name__ == "__main__":
    with log_job(snakemake.log[0]):
        end_with_run()
        write_report(snakemake.params.results, Path(snakemake.output[0]))
