"""What of a plan does not fit, and what to change; and what it leaves out."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lightsheet.planning.plan import Plan
from lightsheet.planning.rates import compute_speedup
from lightsheet.system import format_duration, format_size

VOLUMES_A_WORKER = 3
"""With fewer, a worker waits in the queue and starts for little."""


class Disk(NamedTuple):
    """Where the results go: the folder, as it is called, and how many bytes are free there."""

    folder: str
    free: int


def look_at_disk(folder: Path) -> Disk:
    """Look how much is free where a folder is, or will be."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return Disk(str(folder), shutil.disk_usage(place).free)


def advise(found: Plan, disk: Disk | None) -> list[str]:
    """Say in sentences what a person should know.

    Parameters
    ----------
    found : Forecast
        The plan.
    disk : Disk or None
        Where results go, if that is known.
    """
    if not found.rules:
        return []
    return [*found.rates.remarks, *_on_disk(found, disk), *_on_memory(found), *_on_time(found), *_on_workers(found)]


def _on_disk(found: Plan, disk: Disk | None) -> Iterator[str]:
    written = sum(found.written.values())
    if not disk or found.most <= disk.free:
        return
    if written > disk.free:
        yield (
            f"The disk of {disk.folder} has {format_size(disk.free)} free, and {format_size(written)} are to be "
            "written: make room, name another disk in output.folder, or write uint16 (output.dtype)."
        )
    else:
        yield (
            f"The disk of {disk.folder} has {format_size(disk.free)} free: {format_size(written)} would fit, but the "
            f"run is refused, because without compression they would be {format_size(found.most)}: make room, or name "
            "another disk in output.folder."
        )


def _on_memory(found: Plan) -> Iterator[str]:
    has, need, place = found.place.worker.memory, found.worker_memory, found.place
    if has and has < need:
        name = f"section {place.cluster} of jobqueue.yaml" if place.is_away else "this machine"
        change = "raise `memory` there, or set it to null" if place.is_away else "run it where there is more"
        yield (
            f"A worker needs {format_size(need)}, but gets {format_size(has)} ({name}): volumes are cut into "
            f"overlapping blocks, which takes longer than is said here; {change}."
        )
    if found.gpu_memory:
        yield (
            f"A GPU needs {format_size(found.gpu_memory)} of its own memory; with less, volumes are cut into "
            "overlapping blocks, which takes longer than is said here."
        )


def _on_time(found: Plan) -> Iterator[str]:
    for rule in found.rules:
        limit = rule.share.limit
        if rule.rule == "workers":
            yield from _on_walltime(found, limit)
        elif rule.seconds > limit:
            smaller = rule.rule in ("ingest", "deconvolve")
            how = "lower deconvolution.timepoints_per_job" if smaller else "raise its `runtime` in the profile"
            yield (
                f"A job of {rule.rule} takes {format_duration(rule.seconds)}, and is ended after "
                f"{format_duration(limit)}; what it has done is kept, but better {how}."
            )


def _on_walltime(found: Plan, limit: float) -> Iterator[str]:
    """Say whether a worker can finish a volume, and enough of them to be worth its start."""
    each, section = found.each, f"section {found.place.cluster} of jobqueue.yaml"
    if each > limit:
        yield (
            f"A volume takes a worker {format_duration(each)}, and its walltime is {format_duration(limit)}: no volume "
            f"can be finished. Raise `walltime` or `cores` in {section}, use GPUs, or lower deconvolution.iterations."
        )
    elif each > limit / VOLUMES_A_WORKER:
        yield (
            f"A worker's walltime of {format_duration(limit)} is enough for {limit // each:.0f} volume(s) of "
            f"{format_duration(each)}: raise `walltime` in {section}, or workers are replaced all the time."
        )


def _on_workers(found: Plan) -> Iterator[str]:
    place, cores, blocks = found.place, found.place.worker.cores, found.blocks
    if cores != found.rates.cores:
        faster = compute_speedup(cores, found.rates.cores)
        yield (
            f"Seconds were measured with {found.rates.cores} core(s), and a worker has {cores}: it is "
            f"guessed to be {faster:.2g} times as fast; `snakemake pilot` with the same profile measures it."
        )
    if place.slurm_jobs or place.is_away:
        yield "How long jobs wait in SLURM's queue is not known, and not in these times."
    if not place.is_away or not blocks:
        return
    most = max(blocks)
    if most < place.workers:
        yield (
            f"A block has {most} volumes and could have {place.workers} workers: raise "
            "deconvolution.timepoints_per_job, or lower dask_workers."
        )
    elif most < VOLUMES_A_WORKER * place.workers and len(blocks) > 1:
        yield (
            f"A block has {most} volumes for {place.workers} workers: with a larger deconvolution.timepoints_per_job "
            "they would wait in the queue less often."
        )
    yield (
        f"Up to {found.workers_at_a_time} workers, {found.workers_at_a_time * cores} cores, are asked for "
        "at a time; on a partition with fewer they wait for each other, and it takes so much longer."
    )
