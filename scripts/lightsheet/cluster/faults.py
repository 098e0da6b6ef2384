"""Why workers proved unfit or were refused, and when that holds for all others as well."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

SILENCE = re.compile(
    r"timed out|unable to contact|zero bytes|communication \w+ failure|message (send|receive) failure|"
    r"connection refused|connection reset|unexpected message|protocol authentication error|no number of a job",
    re.IGNORECASE,
)
"""What SLURM's commands say where its controller, or its database, gave no answer; it may have taken a job."""

TEMPORARY = re.compile(
    rf"{SILENCE.pattern}|temporarily|MaxSubmit|SubmitJob|standby mode|presently disabled|submissions disabled|"
    r"back ?off|rate limit|try again|cannot allocate memory",
    re.IGNORECASE,
)
"""What sbatch says that is no reason to give up: a busy controller, or too many jobs in the queue."""

PERMANENT = re.compile("invalid|not permitted|not available(?! now)|not be satisfied|unrecognized", re.IGNORECASE)
"""What sbatch says of a job that it will never take, as it is."""

FINAL = "(no other try would help)"
"""The end of a coordinator's last sentence, after which Snakemake does not try the job again."""


@dataclass(frozen=True)
class Fault:
    """Why one worker is not used, and not replaced."""

    place: str  # its job, and the node
    node: str
    reason: str
    log: str = ""
    is_final: bool = False  # it does not pass with time


def describe_faults(faults: Sequence[Fault]) -> str:
    """Say what was wrong where: each reason once, with all its jobs and the first one's log."""
    reasons = dict.fromkeys(fault.reason for fault in faults)
    return "; ".join(_describe([fault for fault in faults if fault.reason == reason]) for reason in reasons)


def explain_end(faults: Sequence[Fault]) -> str:
    """Say why no worker is left."""
    end = f" {FINAL}" if all(fault.is_final for fault in faults) else ""
    return f"no worker is left; {describe_faults(faults)}{end}"


def _describe(faults: Sequence[Fault]) -> str:
    places = ", ".join(fault.place for fault in faults)
    return f"{places}: {faults[0].reason}" + (f"; log: {faults[0].log}" if faults[0].log else "")


def has_spread(faults: Sequence[Fault]) -> bool:
    """Tell whether another node has had the latest fault before, so that it lies in what all nodes have in common."""
    latest = faults[-1]
    return any(fault.reason == latest.reason and fault.node != latest.node for fault in faults)
