"""A plan as a text that a person reads, and as JSON."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightsheet.planning.advice import Disk, advise, look_at_disk
from lightsheet.planning.plan import Plan, RulePlan
from lightsheet.planning.rates import choose_rates
from lightsheet.planning.site import describe_place
from lightsheet.planning.workload import find_work
from lightsheet.run import Run
from lightsheet.system import format_duration, format_size

HEAD = ("", "jobs", "cores", "memory a job", "s a volume", "time a job", "limit", "core-h", "GPU-h", "where")


def plan_run(
    run: Run, place: Mapping[str, Any], pilot: Mapping[str, Any] | None, disk: Path | None
) -> tuple[str, dict[str, Any]]:
    """Foresee jobs, time, memory and disk of what a run still has to do.

    Parameters
    ----------
    run : Run
        The run.
    place : mapping
        Where its jobs and workers would be: what `read_place`, `read_profile` or `describe_machine` return.
    pilot : mapping or None
        What `snakemake pilot` wrote into `pilot.json`; None: measurements that come with the program are used.
    disk : Path or None
        The folder of the results, to compare with what is free on its disk; None: not compared.

    Returns
    -------
    text, numbers
        Of `plan.txt` and of `plan.json`.

    Raises
    ------
    InputError
        If jobqueue.yaml cannot be used.
    """
    work, site = find_work(run), describe_place(run, **place)
    plan, free = Plan(work, site, choose_rates(work, site, pilot)), look_at_disk(disk) if disk else None
    return format_plan(plan, free), convert_plan(plan, free)


def format_plan(found: Plan, disk: Disk | None) -> str:
    """Write a plan.

    Parameters
    ----------
    found : Forecast
        The plan.
    disk : Disk or None
        Where results go, if that is known.
    """
    remarks = advise(found, disk)
    parts = [_what(found), _table(found) if found.rules else ["Nothing is to be done."]]
    if found.rules:
        parts += [_when(found), _sizes(found, disk)]
    if remarks:
        parts.append([f"! {remark}" for remark in remarks])
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def convert_plan(found: Plan, disk: Disk | None) -> dict[str, Any]:
    """Return the same for programs: seconds and bytes."""
    files, folders = found.entries
    return {
        "seconds": found.seconds,
        "rules": [_rule(found, rule) for rule in found.rules],
        "stages": {rule: list(times) for rule, times in found.stages.items()},
        "read_bytes": found.read,
        "written_bytes": sum(found.written.values()),
        "written_bytes_at_most": found.most,
        "free_bytes": disk.free if disk else None,
        "files": files,
        "folders": folders,
        "worker_memory_bytes": found.worker_memory,
        "gpu_memory_bytes": found.gpu_memory,
        "iterations": found.rates.iterations,
        "measurements": found.rates.words,
        "remarks": advise(found, disk),
    }


def _rule(found: Plan, rule: RulePlan) -> dict[str, Any]:
    return {
        "rule": rule.rule,
        "jobs": rule.jobs,
        **rule.share._asdict(),
        "limit": rule.share.limit if rule.share.limit < math.inf else None,
        "seconds": rule.seconds,
        "volume_seconds": rule.volume_seconds,
        "core_seconds": rule.core_seconds,
        "gpu_seconds": _gpu_seconds(found, rule),
    }


def _gpu_seconds(found: Plan, rule: RulePlan) -> float:
    return rule.total if rule.rule == "workers" and found.place.engine == "gpu" else 0.0


def _what(found: Plan) -> list[str]:
    work, run, method = found.work, found.work.run, found.work.method
    todo = {kind: work.todo(kind) for kind in ("raw", "result")}
    left = ", ".join(f"{n} to {what}" for n, what in zip(todo.values(), ("ingest", "deconvolve"), strict=True))
    how = f"engine {found.place.engine}, boundary {method['boundary']}, acceleration {method['acceleration']}"
    return [
        f"plan of {run.results.name}",
        f"volumes       {len(run.channels)} channels x {run.acquisition.timepoints} timepoints = {work.volumes} of "
        f"{run.shape} {run.dtype} (z, y, x), {format_size(work.tiff_bytes)} of TIFF; {left}",
        f"method        {found.rates.iterations} iterations, {how}; PSF of {found.rates.psf_shape}",
        f"measurements  {found.rates.words}",
    ]


def _table(found: Plan) -> list[str]:
    rows = [HEAD, *(_row(found, rule) for rule in found.rules)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    aligned = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        cells[0], cells[-1] = row[0].ljust(widths[0]), row[-1]
        aligned.append("  ".join(cells).rstrip())
    return [*aligned, _total(found)]


def _total(found: Plan) -> str:
    """Sum up what each partition gives."""
    inside = () if found.place.is_away else ("deconvolve",)  # whose cores its workers use
    parts = []
    for partition in dict.fromkeys(rule.share.partition for rule in found.rules):
        rules = [rule for rule in found.rules if rule.share.partition == partition and rule.rule not in inside]
        gpus = sum(_gpu_seconds(found, rule) for rule in rules)
        cores = _hours(sum(rule.core_seconds for rule in rules))
        parts.append(f"{partition} {cores} core-hours" + (f", {_hours(gpus)} GPU-hours" if gpus else ""))
    return f"in all {sum(rule.jobs for rule in found.rules)} jobs and workers; {'; '.join(parts)}"


def _row(found: Plan, rule: RulePlan) -> Sequence[str]:
    share, gpu_seconds = rule.share, _gpu_seconds(found, rule)
    return (
        rule.rule,
        str(rule.jobs),
        str(share.cores),
        format_size(share.memory) if share.memory else "",
        f"{rule.volume_seconds:.3g}" if rule.volume_seconds else "",
        format_duration(rule.seconds),
        format_duration(share.limit) if share.limit < math.inf else "",
        _hours(rule.core_seconds),
        _hours(gpu_seconds) if gpu_seconds else "",
        share.partition,
    )


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.2f}" if seconds > 360 else f"{seconds / 3600:.4f}"


def _when(found: Plan) -> list[str]:
    jobs, cores = found.place.slurm_jobs, found.place.cores
    where = f"{jobs} SLURM jobs at a time" if jobs else f"{cores} core(s) here"
    ends = ", ".join(f"{rule} {format_duration(end)}" for rule, (_, end) in found.stages.items())
    return [f"wall-clock    {format_duration(found.seconds)}, with {where}; the last jobs end after: {ends}"]


def _sizes(found: Plan, disk: Disk | None) -> list[str]:
    raw, result = (format_size(found.written[kind]) for kind in ("raw", "result"))
    free = f"; {format_size(disk.free)} free in {disk.folder}" if disk else ""
    gpu = f", and {format_size(found.gpu_memory)} on its GPU" if found.gpu_memory else ""
    files, folders = found.entries
    return [
        f"disk          {format_size(sum(found.written.values()))} written ({raw} raw, {result} result; at most "
        f"{format_size(found.most)}), {format_size(found.read)} read{free}",
        f"files         {files} and {folders} folders when all is done (stores are hard links)",
        f"memory        a worker needs {format_size(found.worker_memory)}{gpu}",
    ]
