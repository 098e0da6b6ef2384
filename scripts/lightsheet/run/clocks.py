"""Files that are dated in the future, because the clock of a microscope or of this machine is wrong."""

import time
from pathlib import Path

from lightsheet.run.run import Run
from lightsheet.system import format_duration

TOLERANCE_SECONDS = 60.0
"""Difference of clocks up to which nobody need set one right."""


def describe_future_files(run: Run) -> str:
    """Say which images and PSFs are dated in the future; nothing where none is.

    They are used like others, as records compare sizes, times and digests, and no rule of the Snakefile has them among
    its inputs. But who reads the dates, of a result or of the files themselves, should know.
    """
    times = {path: stat.mtime_ns / 1e9 for (path, _), stat in run.file_stats.items()}
    for channel in run.psf_settings:
        psf = run.find_psf_file(channel)
        times[psf] = Path(psf).stat().st_mtime
    now = time.time()
    leads = {path: seconds - now for path, seconds in times.items() if seconds > now + TOLERANCE_SECONDS}
    if not leads:
        return ""
    path, lead = max(leads.items(), key=lambda item: item[1])
    number = "1 file is" if len(leads) == 1 else f"{len(leads)} files are"
    return (
        f"{number} dated in the future, by up to {format_duration(lead)} ({path}): the clock of the microscope's "
        "computer, or of this machine, is wrong. They are used as they are."
    )
