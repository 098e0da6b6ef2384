"""What a killed run left in the way of the next: its processes, Snakemake's own locks, files dated in the future."""

import os
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil
from snakemake.logging import logger  # type: ignore[import-untyped]

from lightsheet.cluster import label_jobs
from lightsheet.store import RUNS, Results
from lightsheet.system import InputError

LEAVE_SECONDS = 10.0
"""Time after which a process that was asked to end is killed."""

SNAKEMAKE_LOCKS = Path(".snakemake", "locks")


def end_orphans(place: str) -> None:
    """End the processes of this user on this machine that a killed run in a folder left, and wait until they are gone.

    SLURM's jobs are cancelled by their names (see `prepare_clean_end`).
    """
    own_process = psutil.Process()
    spared = {own_process.pid, *(process.pid for process in own_process.parents())}
    orphans = [
        process
        for process in psutil.process_iter(["environ"])
        if process.pid not in spared and _works_in(place, process.info["environ"] or {})
    ]
    if not orphans:
        return
    logger.warning(f"Ending processes that a killed run left behind: {' '.join(str(p.pid) for p in orphans)}")
    if alive := end_processes(orphans):
        raise InputError(
            f"{place}: processes of an earlier, killed run still work in this results folder and cannot be ended: "
            f"{' '.join(str(process.pid) for process in alive)}. End them, and then type the same command again"
        )


def _works_in(place: str, environment: dict[str, str]) -> bool:
    """Tell by its environment whether a process belongs to a run in a folder, and to no SLURM job but this one."""
    folders = [line.partition(" ")[2] for line in environment.get(RUNS, "").split("\n")]
    return place in folders and environment.get("SLURM_JOB_ID") == os.environ.get("SLURM_JOB_ID")


def end_processes(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Terminate processes, kill those that stay, and return those that stay nevertheless."""
    alive = processes
    for end in (psutil.Process.terminate, psutil.Process.kill):
        for process in alive:
            with suppress(psutil.Error):
                end(process)
        _, alive = psutil.wait_procs(alive, LEAVE_SECONDS)
    return alive


def free_files(folder: Path) -> None:
    """Remove a results folder's files from the locks of Snakemake that a killed run left in this working directory.

    Whoever wrote these held the lock of the folder, as this process does now: a file beside them says so. Locks without
    that file are somebody else's, and Snakemake heeds them.
    """
    place = os.path.realpath(folder)
    mark = SNAKEMAKE_LOCKS / f"{label_jobs(folder)}.mark"

    @cache
    def is_inside(parent: Path) -> bool:
        return f"{os.path.realpath(parent)}{os.sep}".startswith(f"{place}{os.sep}")

    if mark.exists():
        for lock in SNAKEMAKE_LOCKS.glob("*.lock"):
            with suppress(FileNotFoundError):  # another folder's run ends at this moment
                files = lock.read_text().splitlines()
                foreign = [file for file in files if not is_inside(Path(file).parent)]
                if not foreign:
                    lock.unlink()
                elif foreign != files:
                    lock.write_text("\n".join(foreign) + "\n")
    SNAKEMAKE_LOCKS.mkdir(parents=True, exist_ok=True)
    mark.touch()


def date_back(results: Results) -> None:
    """Date what jobs made in the future, before a clock was set right, as of now, in the order in which they make it.

    Snakemake would fail each job that uses it, until that date has come.
    """
    manifests = sorted(results.manifest("").parent.glob("*.json"), reverse=True)  # ingest, deconvolve, consolidate
    psfs = sorted((results.folder / "psf").iterdir()) if (results.folder / "psf").is_dir() else []
    now = time.time()
    for path in (*psfs, results.inventory, *manifests, results.report, results.pilot_page, results.pilot):
        with suppress(OSError):
            if path.stat().st_mtime > now:
                os.utime(path)
