"""SLURM's jobs: found in the queue by their names, cancelled, and what SLURM says of their end in words.

Only SLURM's commands are used. `squeue` knows a job for some minutes after its end (MinJobAge, 5 unless the site says
otherwise), accounting or not; `sacct` is asked where it has forgotten.
"""

import hashlib
import os
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from lightsheet.cluster.slurm_command import NoAnswerError, ask_again, call_slurm
from lightsheet.system import logger

OUTER_JOB = r"SLURM_(?!CONF$|CLUSTERS$)"
"""Pattern of environment variables that describe the job in which a process runs; the others say where SLURM is."""

WAITING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT"}
ALIVE = {*WAITING, "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"}

WORDS = {
    "BOOT_FAIL": "its node did not start",
    "CANCELLED": "it was cancelled",
    "COMPLETED": "it ended",
    "DEADLINE": "it reached its deadline",
    "FAILED": "it ended with an error",
    "NODE_FAIL": "its node failed",
    "OUT_OF_MEMORY": "it was killed, because it used more memory than it had asked for",
    "PREEMPTED": "a job of higher priority took its place",
    "REVOKED": "another cluster took it",
    "TIMEOUT": "it reached its time limit",
}

MEMORY_KILL = re.compile(r"exceeded (job |step )?memory limit|oom[-_ ]kill|task \d+: out of memory", re.IGNORECASE)
"""What slurmstepd writes into the log of a job that it kills for memory, in one version or another."""

JOB_ID = re.compile(r"^(?:Submitted batch job (?P<job>\d+)\b.*|(?P<bare>\d+)(?:;\S+)?)\s*$", re.MULTILINE)
"""What sbatch prints of a job, among a site's banners: a sentence, or `519605;cluster` with `--parsable`."""

ROW = re.compile(r"(\d+)\|([A-Z_]+)\|([^|]*)\|([^|]*)\|(.*)")
"""A job as `list_jobs` has squeue print it. Sites add lines of their own, and a name may break over several."""


@dataclass(frozen=True)
class SlurmJob:
    """One job, as the queue has it: `reason` is why it waits or how it ended, `node` where it ran."""

    id: str
    state: str
    reason: str = ""
    node: str = ""
    name: str = ""

    @property
    def is_over(self) -> bool:
        """Whether the job has ended."""
        return self.state not in ALIVE

    @property
    def is_waiting(self) -> bool:
        """Whether the job has not begun, or not again."""
        return self.state in WAITING

    @property
    def words(self) -> str:
        """How the job ended: `job 12 on c1: its node failed (NODE_FAIL)`."""
        place = f" on {self.node}" if self.node else ""
        return f"job {self.id}{place}: {self.cause}"

    @property
    def cause(self) -> str:
        """How the job ended, without its name."""
        return f"{WORDS.get(self.state, 'it is not known how it ended')} ({self.state})"


def read_job_id(output: str) -> str | None:
    """Return the number of the job that sbatch has taken, the last that it prints; None if it prints none."""
    matches = list(JOB_ID.finditer(output))
    return matches[-1]["job"] or matches[-1]["bare"] if matches else None


def list_clusters() -> list[str]:
    """Return the clusters to which SLURM's commands go by its variables; none: the one that this machine belongs to."""
    names = os.environ.get("SBATCH_CLUSTERS") or os.environ.get("SLURM_CLUSTERS") or ""
    return [name.strip() for name in names.split(",") if name.strip()]


def label_jobs(results: Path) -> str:
    """Return the beginning of the names of a run's SLURM jobs: the run's name and a digest of its results' folder.

    It has at most 40 characters: letters, digits, `_` and `-`. Two paths to one folder have one label.
    """
    digest = hashlib.sha256(os.fsencode(results.resolve())).hexdigest()[:8]
    return f"ls-{re.sub('[^A-Za-z0-9]+', '_', results.name)[:24]}-{digest}"


def list_jobs(name: str, *, is_patient: bool = False) -> list[SlurmJob]:
    """Return the user's jobs of a name, those that ended a short while ago included.

    Parameters
    ----------
    name : str, a job's whole name, or what stands in it before a `-` or `_` (see `label_jobs`)
    is_patient : bool, whether a controller that says nothing is asked again for a while
    """
    ask = ask_again if is_patient else call_slurm
    answer = ask("squeue", "--noheader", f"--user={os.getuid()}", "--states=all", "--format=%A|%T|%r|%N|%j")
    jobs = [SlurmJob(*row.groups()) for line in answer.split("\n") if (row := ROW.fullmatch(line))]
    return [job for job in jobs if job.name == name or job.name.startswith((f"{name}-", f"{name}_"))]


def recall_job(job_id: str) -> SlurmJob:
    """Return a job that is no longer in the queue, as accounting remembers it; in state UNKNOWN if that is off."""
    try:
        clusters = [f"--clusters={','.join(names)}"] if (names := list_clusters()) else []  # no variable says it so
        answer = ask_again("sacct", "-X", "-n", "-P", *clusters, "-j", job_id, "-o", "JobName,State,NodeList")
    except NoAnswerError:
        answer = ""
    # accounting says, for example, "CANCELLED by 1000"
    rows = re.findall(r"^(.*)\|([A-Z_]+)(?: by \d+)?\|([^|\n]*)$", answer, re.MULTILINE)
    name, state, node = rows[-1] if rows else ("", "UNKNOWN", "")
    return SlurmJob(job_id, state, "", node, name)


def recognise_memory_kill(job: SlurmJob, log: Path) -> SlurmJob:
    """Return an ended job, in state OUT_OF_MEMORY if its log says that it was killed for memory.

    Where SLURM does not watch memory through cgroups, the state of such a job is FAILED or CANCELLED.
    """
    try:
        end = log.read_text(encoding="utf-8", errors="replace")[-4000:]
    except OSError:
        return job
    return replace(job, state="OUT_OF_MEMORY") if MEMORY_KILL.search(end) else job


def ask_time_left(job_id: str) -> tuple[int, int]:
    """Return the seconds that a job may still run, and those of its time limit; ValueError if it has none."""
    answer = ask_again("squeue", "--noheader", f"--job={job_id}", "--format=%L|%l")
    rows = re.findall(r"^([^|\s]+)\|([^|\s]+)$", answer, re.MULTILINE)
    if not rows:
        raise ValueError(f"squeue does not know job {job_id}")
    seconds, limit = (parse_walltime(text) for text in rows[-1])
    return seconds, limit


def cancel_jobs(name: str, seconds: float = 0, patience: float = 0) -> list[str]:
    """Cancel a run's jobs, running or pending.

    Parameters
    ----------
    name : str, of the jobs, or what stands in their names before a `-` or `_` (see `list_jobs`)
    seconds : float, the longest wait until they have left the queue
    patience : float, seconds in which they may end by themselves

    Returns
    -------
    list of str, the jobs' ids
    """
    ids: list[str] = []
    try:
        ids = _list_queued(name)
        if ids and patience:
            time.sleep(patience)
            ids = _list_queued(name)
        if ids:
            logger.info("cancelling %d SLURM job(s) of this run: %s", len(ids), " ".join(ids))
        _cancel(ids)
        end = time.monotonic() + seconds
        while ids and time.monotonic() < end and _list_queued(name):
            time.sleep(0.5)
    except NoAnswerError as error:
        logger.warning("jobs of this run may be left in the queue under names like %s*: %s", name, error)
    return ids


def cancel_ids(ids: Sequence[str]) -> None:
    """Cancel jobs, whatever their state; where SLURM does not answer, they are left."""
    with suppress(NoAnswerError):
        _cancel(ids)


def _cancel(ids: Sequence[str]) -> None:
    if ids:
        ask_again("scancel", "--quiet", *ids)


def _list_queued(name: str) -> list[str]:
    return [job.id for job in list_jobs(name, is_patient=True) if not job.is_over]


def parse_walltime(text: str) -> int:
    """Return the seconds of a time limit as sbatch reads it: MM, MM:SS, HH:MM:SS, D-HH, D-HH:MM or D-HH:MM:SS."""
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text.strip())
    if not match:
        raise ValueError(f"walltime {text!r} is not a time as sbatch takes it, such as 04:00:00 or 1-12:00:00")
    days, *rest = (int(part) if part else None for part in match.groups())
    parts = [part for part in rest if part is not None]
    if days is None and len(parts) < 3:
        parts = [0, *parts]  # minutes come first
    hours, minutes, seconds = [*parts, 0, 0][:3]
    return ((24 * (days or 0) + hours) * 60 + minutes) * 60 + seconds
