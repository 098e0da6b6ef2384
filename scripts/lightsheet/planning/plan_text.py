"""A plan as a text that a person reads."""

from collections.abc import Mapping, Sequence
from typing import Any

from lightsheet.system import format_duration, format_size, write_number

HEAD = ("", "jobs", "cores", "memory a job", "s a volume", "time a job", "limit", "core-h", "GPU-h", "where")


def format_plan(plan: Mapping[str, Any]) -> str:
    """Write what `plan_run` returns."""
    parts = [_describe_work(plan)]
    if plan["rules"]:
        capacity = (
            f"{plan['slurm_jobs']} SLURM jobs at a time" if plan["slurm_jobs"] else f"{plan['cores']} core(s) here"
        )
        ends = ", ".join(f"{rule} {format_duration(end)}" for rule, (_, end) in plan["stages"].items())
        seconds = f"wall-clock    {format_duration(plan['seconds'])}, with {capacity}; the last jobs end after: {ends}"
        parts += [_format_table(plan), [seconds], _describe_sizes(plan)]
    else:
        parts.append(["Nothing is to be done."])
    if plan["remarks"]:
        parts.append([f"! {remark}" for remark in plan["remarks"]])
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def _describe_work(plan: Mapping[str, Any]) -> list[str]:
    count, remaining = plan["channels"] * plan["timepoints"], plan["volumes"]
    method = ", ".join(f"{key} {value}" for key, value in plan["method"].items())
    return [
        f"plan of {plan['run']}",
        f"volumes       {write_number(plan['channels'], 'channel')} x "
        f"{write_number(plan['timepoints'], 'timepoint')} = {count} of {plan['shape']} "
        f"{plan['dtype']} (z, y, x), {format_size(plan['tiff_bytes'])} of source files; {remaining['ingest']} to "
        f"ingest, {remaining['deconvolve']} to deconvolve",
        f"method        {plan['iterations']} iterations, {method}; PSF of {plan['psf_shape']}",
        f"measurements  {plan['measurements']}",
    ]


def _format_table(plan: Mapping[str, Any]) -> list[str]:
    rows = [HEAD, *map(_format_rule, plan["rules"])]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *middle, last in rows:
        cells = [cell.rjust(width) for cell, width in zip(middle, widths[1:-1], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells, last]).rstrip())
    return [*lines, _format_total(plan)]


def _format_rule(rule: Mapping[str, Any]) -> Sequence[str]:
    return (
        rule["rule"],
        str(rule["jobs"]),
        str(rule["cores"]),
        format_size(rule["memory"]) if rule["memory"] else "",
        f"{rule['volume_seconds']:.3g}" if rule["volume_seconds"] else "",
        format_duration(rule["seconds"]),
        format_duration(rule["limit"]) if rule["limit"] else "",
        _format_hours(rule["core_seconds"]),
        _format_hours(rule["gpu_seconds"]) if rule["gpu_seconds"] else "",
        rule["partition"],
    )


def _format_total(plan: Mapping[str, Any]) -> str:
    """Sum up what each partition gives; workers on this machine use the cores of their `deconvolve` job."""
    rules = [rule for rule in plan["rules"] if rule["rule"] != "deconvolve" or plan["cluster"] != "local"]
    parts = []
    for partition in dict.fromkeys(rule["partition"] for rule in plan["rules"]):
        core_seconds = sum(rule["core_seconds"] for rule in rules if rule["partition"] == partition)
        gpu_seconds = sum(rule["gpu_seconds"] for rule in rules if rule["partition"] == partition)
        gpus = f", {_format_hours(gpu_seconds)} GPU-hours" if gpu_seconds else ""
        parts.append(f"{partition} {_format_hours(core_seconds)} core-hours{gpus}")
    return f"in all {sum(rule['jobs'] for rule in plan['rules'])} jobs and workers; {'; '.join(parts)}"


def _format_hours(seconds: float) -> str:
    return f"{seconds / 3600:.2f}" if seconds > 360 else f"{seconds / 3600:.4f}"


def _describe_sizes(plan: Mapping[str, Any]) -> list[str]:
    raw, result = (format_size(plan["written_bytes_of"][kind]) for kind in ("raw", "result"))
    free = f"; {format_size(plan['free_bytes'])} free in {plan['folder']}" if plan["folder"] else ""
    gpu = f", and {format_size(plan['gpu_memory_bytes'])} on its GPU" if plan["gpu_memory_bytes"] else ""
    slots, rate = plan["volumes_in_hand"], plan["rate"]
    in_hand = f" with {slots} volumes in hand" if slots > 1 else ""
    disk = f"; workers read and write {format_size(plan['disk_bytes_a_second'])} a second"
    return [
        *([f"rate          {rate}{disk}"] if rate else []),
        f"disk          {format_size(plan['written_bytes'])} written ({raw} raw, {result} result; at most "
        f"{format_size(plan['written_bytes_at_most'])}), {format_size(plan['read_bytes'])} read{free}",
        f"memory        a worker needs {format_size(plan['worker_memory_bytes'])}{in_hand}{gpu}",
    ]
