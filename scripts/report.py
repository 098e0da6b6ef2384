"""Write the page that a person looks at."""

from pathlib import Path

from lightsheet import log
from lightsheet.page import report

if __name__ == "__main__":
    with log.job(snakemake.log[0]):
        report.write(snakemake.params.results, Path(snakemake.output[0]))
