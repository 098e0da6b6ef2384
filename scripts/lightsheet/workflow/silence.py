"""Why a job on this machine failed whose own log does not say it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL, Signals

from lightsheet.system import list_full_disks
from lightsheet.workflow.job_log import LINE

KILL = re.compile(r"died with <Signals\.\w+: (\d+)>|returned non-zero exit status (1[2-9]\d)\.")
"""How Python says that a signal has ended a process; a shell adds 128 to the signal's number."""

KILLED = "was killed (SIGKILL), as Linux does when memory runs out, or a person"


@dataclass
class Silence:
    """What is known besides its log of the job that fails next."""

    signal: int = 0  # which ended its process
    is_printed: bool = False  # whether a process has printed an error, probably this one

    def note_exit(self, message: str) -> None:
        """Take from Snakemake's message how the job's process ended."""
        if match := KILL.search(message):
            self.signal = int(match[1] or int(match[2]) - 128)

    def note_line(self, line: str) -> None:
        """Take from a line on the standard error that it begins an error."""
        match = LINE.match(line)
        self.is_printed |= line.startswith("Traceback ") or bool(match and match[1] == "ERROR")

    def explain(self, logs: Sequence[str]) -> str:
        """Say how the job ended, of which these logs say nothing."""
        places = " and ".join(logs)
        if list_full_disks(Path(log).parent for log in logs):  # which one, and what helps, is told at the run's end
            return f"failed, and its disk has no room for the reason in {places}"
        if self.signal == SIGKILL:
            return f"{KILLED}; see {places}"
        if self.signal in set(Signals):
            return f"was ended by {Signals(self.signal).name}; see {places}"
        if self.is_printed:
            return f"failed for the reason that it printed here; {places} does not have it"
        return f"failed without a word; see {places}"
