"""Which SLURM jobs failed in the end, and why, as Snakemake's own log file tells it, with or without accounting."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lightsheet.cluster import SlurmJob, explain_end

STARTED = re.compile(r"^rule (\w+):\n((?:    .*\n)+)", re.MULTILINE)
FAILED = re.compile(r"^Error in rule \w+:\n((?: {4}.*\n|.*\n(?= {4}))+)", re.MULTILINE)
FINISHED = re.compile(r"^Finished jobid: (\d+) ", re.MULTILINE)
DETAIL = re.compile(r"^    (jobid|wildcards|resources|log): (.*)$", re.MULTILINE)
ENDED = re.compile(r"SLURM-job '(\S+)' failed.*SLURM status is: '(\w+)'")
REFUSED = re.compile(r"SLURM sbatch failed\. The error message was '(.*?)'\.\n", re.DOTALL)
ERROR = re.compile(r"^\d{4}-\S+ \S+ ERROR (.*)$", re.MULTILINE)
"""As `lightsheet.system.log` writes it."""

MORE = {"OUT_OF_MEMORY": "mem_mb", "TIMEOUT": "runtime"}
"""What to ask more of."""


@dataclass(frozen=True)
class _Try:
    """One attempt at a job of Snakemake's: what its log says at the start and at the failure."""

    rule: str
    start: dict[str, str]
    end: dict[str, str]
    message: str


def list_failures(logs: Iterable[str]) -> list[str]:
    """Tell of each SLURM job that failed, unless a later attempt succeeded.

    Parameters
    ----------
    logs : iterable of str
        Snakemake's log files of this run, of which there is one.

    Returns
    -------
    list of str
        A sentence for each: rule, wildcards, how the last attempt ended, where its logs are, what may help.
    """
    text = "".join(Path(log).read_text(errors="replace") for log in logs)
    finished = set(FINISHED.findall(text))
    found = (_sentence(tries) for job, tries in _failed(text).items() if job not in finished)
    return [sentence for sentence in found if sentence]


def _failed(text: str) -> dict[str, list[_Try]]:
    """Return the failed attempts by Snakemake's number of the job."""
    started = {}
    for rule, block in STARTED.findall(text):
        details = dict(DETAIL.findall(block))
        started[details["jobid"]] = rule, details
    failed: dict[str, list[_Try]] = {}
    for block in FAILED.findall(text):
        details = dict(DETAIL.findall(block))
        if (job := details.get("jobid", "")) in started:
            failed.setdefault(job, []).append(_Try(*started[job], details, block))
    return failed


def _sentence(tries: list[_Try]) -> str | None:
    last = tries[-1]
    what = " ".join(filter(None, (last.rule, last.start.get("wildcards"))))
    if refused := REFUSED.search(last.message):
        return f"{what}: SLURM did not take the job: {' '.join(refused[1].split())}"
    if not (ended := ENDED.search(last.message)):
        return None
    logs = last.end["log"].removesuffix(" (check log file(s) for error details)").split(", ")
    job = explain_end(SlurmJob(ended[1], "", ended[2], "", ""), Path(logs[-1]))
    times = f", tried {len(tries)} times" if len(tries) > 1 else ""
    said = f"{what}{times}: SLURM {job.words}{_last_error(Path(logs[0]))}; see {' and '.join(logs)}"
    if (name := MORE.get(job.state)) and (had := re.search(rf"\b{name}=(\d+)", last.start["resources"])):
        said += f"; to give it more: --set-resources {last.rule}:{name}={2 * int(had[1])}"
    return said


def _last_error(log: Path) -> str:
    """Quote the last error of a job's own log, if it had time to write one."""
    errors = ERROR.findall(log.read_text(errors="replace")) if log.exists() else []
    return f"; its log says: {errors[-1]}" if errors else ""
