"""The process that holds a lock: what it says of itself, and whether it is known to have ended."""

import json
import os
import re
import uuid
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from lightsheet.system import escape_name, name_user


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock."""

    token: str  # of this lock alone
    user: str
    host: str
    process: int
    start: int  # of the process, in clock ticks since its machine started: its number may belong to another one later
    machine: str  # where `process` means something: one start of one machine, one namespace of processes
    job: str  # of SLURM, or ""
    restarts: int  # how often SLURM has put the job back into the queue
    folder: str  # its working directory
    since: str

    def __str__(self) -> str:
        """Say who it is, for a sentence."""
        job = f", SLURM job {self.job}" if self.job else ""
        return escape_name(
            f"user {self.user}, host {self.host}, process {self.process}{job}, in {self.folder}, since {self.since}"
        )

    def to_json(self) -> str:
        """Return the content of a lock."""
        return json.dumps(asdict(self), indent=1) + "\n"


def describe_this_process() -> Holder:
    """Return this process as the holder of a new lock."""
    process = os.getpid()
    return Holder(
        token=uuid.uuid4().hex,
        user=name_user(),
        host=os.uname().nodename,
        process=process,
        start=_read_start(process),
        machine=_identify_machine(),
        job=os.environ.get("SLURM_JOB_ID", ""),
        restarts=_count_restarts(),
        folder=os.fsencode(Path.cwd()).decode(errors="replace"),
        since=f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
    )


def parse_holder(text: bytes) -> Holder | None:
    """Return the holder that a lock names; None if it names none, as a power cut may leave it."""
    try:
        content = json.loads(text)
        holder = Holder(**{field.name: field.type(content[field.name]) for field in fields(Holder)})  # type: ignore[operator]
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    return holder if re.fullmatch("[0-9a-f]{32}", holder.token) else None


def is_gone(holder: Holder) -> bool:
    """Tell whether a process is known to have ended: one of this machine, or an earlier life of this SLURM job."""
    if holder.job and holder.job == os.environ.get("SLURM_JOB_ID") and holder.restarts < _count_restarts():
        return True
    if not holder.machine or holder.machine != _identify_machine():
        return False
    try:
        os.kill(holder.process, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        pass  # it lives, and is another user's
    start = _read_start(holder.process)
    return start != 0 and start != holder.start  # some machines hide the processes of others


def _count_restarts() -> int:
    text = os.environ.get("SLURM_RESTART_COUNT", "")
    return int(text) if text.isdecimal() else 0


def _identify_machine() -> str:
    """Name the namespace of process numbers; "" where that cannot be told, so that only renewals count."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _read_start(process: int) -> int:
    """Return when a process of this machine started; 0 if that cannot be read, -1 if it has ended."""
    try:
        state, *numbers = Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0
    return -1 if state in "ZX" else int(numbers[18])
