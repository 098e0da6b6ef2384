"""SLURM's commands, and a controller that gives no answer."""

import subprocess
import time

from lightsheet.cluster.faults import SILENCE

TIMEOUT_SECONDS = 60  # a busy controller may need almost a minute for an answer

PATIENCE_SECONDS = 20.0
"""How long a controller that gives no answer is asked again what nobody would ask later."""

PAUSE_SECONDS = 2.0


class NoAnswerError(Exception):
    """SLURM's controller did not answer, as a busy one may; ask again later.

    `is_silence`: it said nothing at all, rather than refuse.
    """

    def __init__(self, text: str, *, is_silence: bool) -> None:
        super().__init__(text)
        self.is_silence = is_silence


def ask_again(*command: str) -> str:
    """Return what a command of SLURM's prints, asked again for a while if its controller says nothing."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return call_slurm(*command)
        except NoAnswerError as error:
            if not error.is_silence or time.monotonic() + PAUSE_SECONDS > end:
                raise
            time.sleep(PAUSE_SECONDS)


def call_slurm(*command: str) -> str:
    """Return what a command of SLURM's prints. Ctrl-C, which all processes of a terminal get, does not end it."""
    try:
        process = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_SECONDS,
            check=False,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        is_silence = isinstance(error, subprocess.TimeoutExpired)
        raise NoAnswerError(f"{command[0]}: {error}", is_silence=is_silence) from None
    if process.returncode:
        words = process.stderr.strip() or f"it ended with {process.returncode}, without a word"
        is_silence = process.returncode < 0 or bool(SILENCE.search(words))  # a signal
        raise NoAnswerError(f"{command[0]}: {words}", is_silence=is_silence)
    return process.stdout
