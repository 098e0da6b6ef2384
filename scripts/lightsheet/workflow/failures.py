"""Which SLURM jobs failed in the end, and why, as Snakemake's own log file tells it, with or without accounting."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lightsheet.cluster import SlurmJob, recognise_memory_kill
from lightsheet.system import list_full_disks

STARTED = re.compile(r"^rule (\w+):\n((?:    .*\n)+)", re.MULTILINE)
FAILED = re.compile(r"^Error in rule \w+:\n((?: {4}.*\n|.*\n(?= {4}))+)", re.MULTILINE)
FINISHED = re.compile(r"^Finished jobid: (\d+) ", re.MULTILINE)
DETAIL = re.compile(r"^    (jobid|wildcards|resources|log): (.*)$", re.MULTILINE)
ENDED = re.compile(r"SLURM-job '(\S+)' failed.*SLURM status is: '(\w+)'")
REFUSAL = re.compile(r"SLURM sbatch failed\. The error message was '(.*?)'\.\n", re.DOTALL)
ERROR = re.compile(r"^\d{4}-\S+ \S+ ERROR (.*)$", re.MULTILINE)
"""A line of our own logs, see `log_job`."""

REMEDIES = {"OUT_OF_MEMORY": "mem_mb", "TIMEOUT": "runtime"}
"""The resource of which a job had too little, by SLURM's state."""


@dataclass(frozen=True)
class _Attempt:
    """A failed attempt at a job of Snakemake's: what its log says at the start and at the failure."""

    rule: str
    start: dict[str, str]
    end: dict[str, str]
    message: str


def list_failures(logs: Iterable[str]) -> list[str]:
    """Return a sentence for each SLURM job that failed, unless a later attempt succeeded.

    It says rule, wildcards, how the last attempt ended, where its logs are, and what may help. `logs` are the log
    files that Snakemake names when a run ends.
    """
    text = "".join(Path(log).read_text(errors="replace") for log in logs)
    finished = set(FINISHED.findall(text))
    sentences = (_describe(attempts) for job, attempts in _read_attempts(text).items() if job not in finished)
    return [sentence for sentence in sentences if sentence]


def list_disk_errors(logs: Iterable[str], folders: Iterable[Path]) -> list[str]:
    """Return what jobs on this machine said of disks that take no more; or else what a trial of the `folders` says.

    `logs` are the log files that Snakemake names when a run ends. A job's log may lack its end for the same reason.
    """
    text = "".join(Path(log).read_text(errors="replace") for log in logs)
    details = [dict(DETAIL.findall(block)) for block in FAILED.findall(text)]
    names = {detail["log"].rpartition(" (")[0] for detail in details if "log" in detail}
    errors = [ERROR.findall(Path(name).read_text(errors="replace")) for name in sorted(names) if Path(name).is_file()]
    lasts = dict.fromkeys(lines[-1] for lines in errors if lines and "the disk at " in lines[-1])
    return list(lasts) or list_full_disks(folders)


def _read_attempts(text: str) -> dict[str, list[_Attempt]]:
    """Return the failed attempts by Snakemake's number of the job."""
    jobs = {}
    for rule, block in STARTED.findall(text):
        details = dict(DETAIL.findall(block))
        jobs[details["jobid"]] = rule, details
    attempts: dict[str, list[_Attempt]] = {}
    for block in FAILED.findall(text):
        details = dict(DETAIL.findall(block))
        if (job := details.get("jobid", "")) in jobs:
            attempts.setdefault(job, []).append(_Attempt(*jobs[job], details, block))
    return attempts


def describe_end(message: str) -> str:
    """Say how a job of SLURM's ended, or why it did not take one, from what Snakemake's plugin says of it."""
    if refusal := REFUSAL.search(f"{message.strip()}\n"):
        return f"SLURM did not take the job: {' '.join(refusal[1].split())}"
    if end := ENDED.search(message):
        return f"SLURM {SlurmJob(end[1], end[2]).words}"
    return message.strip()


def _describe(attempts: list[_Attempt]) -> str | None:
    last = attempts[-1]
    subject = " ".join(filter(None, (last.rule, last.start.get("wildcards"))))
    if REFUSAL.search(last.message):
        return f"{subject}: {describe_end(last.message)}"
    if not (end := ENDED.search(last.message)):
        return None
    logs = last.end["log"].removesuffix(" (check log file(s) for error details)").split(", ")
    job = recognise_memory_kill(SlurmJob(end[1], end[2]), Path(logs[-1]))
    times = f", tried {len(attempts)} times" if len(attempts) > 1 else ""
    errors = ERROR.findall(Path(logs[0]).read_text(errors="replace")) if Path(logs[0]).exists() else []
    quote = f"; its log says: {errors[-1].rstrip(':')}" if errors else ""  # a list may follow, of volumes
    sentence = f"{subject}{times}: SLURM {job.words}{quote}; see {' and '.join(logs)}"
    resource = REMEDIES.get(job.state, "")
    if (
        f"{resource}_per_cpu=" in last.start["resources"]
    ):  # asked for in the place of mem_mb where a site takes no --mem
        resource += "_per_cpu"
    if resource and (amount := re.search(rf"\b{resource}=(\d+)", last.start["resources"])):
        sentence += f"; to give it more: --set-resources {last.rule}:{resource}={2 * int(amount[1])}"
    return sentence
