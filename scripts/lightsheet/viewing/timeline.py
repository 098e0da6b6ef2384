"""When volumes were ingested and deconvolved, worker by worker, and how well the cores and the memory were used."""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from lightsheet.acquisition import make_natural_key
from lightsheet.store import Record
from lightsheet.viewing.finished_run import VolumeRecords

PAUSE_SECONDS = 600.0
"""Time without any work that separates two commands."""

MOST_LANES = 40

RESOLUTION = 1 / 800
"""Share of the picture's width below which pauses are not drawn."""

WATTS_PER_CORE = 10.0
"""A core of a server under load with its share of memory, about: 150 to 400 W of 16 to 64 cores, by makers' figures."""


class Span(NamedTuple):
    """Seconds since 1970 in which a machine, or a job of SLURM's, worked on a volume."""

    start: float
    end: float
    action: str  # ingest or deconvolve
    place: str


def draw_timeline(volumes: Sequence[VolumeRecords]) -> dict[str, Any]:
    """Place the spans of the latest command that did any: lanes by place, in percent of its duration.

    A lane is as many volumes as a place had in hand at a time; `hidden` of them are too many to be drawn.
    """
    sessions = _cut_sessions(_list_spans(volumes))
    spans = sessions[-1] if sessions else []
    start, end = min((s.start for s in spans), default=0.0), max((s.end for s in spans), default=0.0)
    duration = max(1.0, end - start)
    lanes = [
        {"place": place, "bars": _draw_bars(lane, start, duration)}
        for place in sorted({span.place for span in spans}, key=make_natural_key)
        for lane in _fill_lanes([span for span in spans if span.place == place])
    ]
    return {
        "seconds": duration,
        "sessions": len(sessions),
        "lanes": lanes[:MOST_LANES],
        "hidden": len(lanes) - len(lanes[:MOST_LANES]),
    }


def measure_efficiency(volumes: Iterable[VolumeRecords]) -> dict[str, Any] | None:
    """Add up what workers had of cores and memory, and used; None where no record says so.

    `core_hours` and `gpu_hours` were held, `cores_busy` is the share of cores that computed. `memory_asked` of SLURM
    and `memory_peak`, in bytes, are of the worker that came closest. `kilowatt_hours` is estimated from cores alone.
    """
    shares = [volume.result["share"] for volume in volumes if "share" in volume.result]
    core_seconds = sum(share["seconds"] * share["cores"] for share in shares)
    if not core_seconds:
        return None
    requests = [share for share in shares if share.get("memory_bytes") and share.get("peak_bytes")]
    closest: Mapping[str, Any] = max(
        requests, key=lambda share: share["peak_bytes"] / share["memory_bytes"], default={}
    )
    return {
        "core_hours": core_seconds / 3600,
        "gpu_hours": sum(share["seconds"] for share in shares if share["gpu_seconds"]) / 3600,
        "cores_busy": sum(share["core_seconds"] for share in shares) / core_seconds,
        "memory_peak": closest.get("peak_bytes"),
        "memory_asked": closest.get("memory_bytes"),
        "kilowatt_hours": core_seconds / 3600 * WATTS_PER_CORE / 1000,
        "watts": WATTS_PER_CORE,
    }


def _list_spans(volumes: Iterable[VolumeRecords]) -> list[Span]:
    spans = (
        _make_span(record, action)
        for volume in volumes
        if not volume.missing
        for action, record in (("ingest", volume.raw), ("deconvolve", volume.result))
    )
    return sorted(span for span in spans if span.end > span.start)


def _make_span(record: Record, action: str) -> Span:
    end = datetime.fromisoformat(record["finished"]).timestamp()
    place = " ".join(filter(None, (record.get("host") or "unknown", record.get("slurm_job"))))
    return Span(end - sum(record["seconds"].values()), end, action, place)


def _cut_sessions(spans: Sequence[Span]) -> list[list[Span]]:
    """Cut spans, in order of their starts, where nothing was done for long."""
    sessions: list[list[Span]] = []
    end = 0.0
    for span in spans:
        if not sessions or span.start > end + PAUSE_SECONDS:
            sessions.append([])
        sessions[-1].append(span)
        end = max(end, span.end)
    return sessions


def _fill_lanes(spans: Sequence[Span]) -> list[list[Span]]:
    """Lay spans, in order of their starts, into as few lanes as they need side by side."""
    lanes: list[list[Span]] = []
    free: list[tuple[float, int]] = []  # when each lane ends
    for span in spans:
        if free and free[0][0] <= span.start + 1:  # records have whole seconds
            number = heapq.heappop(free)[1]
        else:
            number = len(lanes)
            lanes.append([])
        lanes[number].append(span)
        heapq.heappush(free, (span.end, number))
    return lanes


def _draw_bars(lane: Sequence[Span], start: float, duration: float) -> list[dict[str, Any]]:
    """Return `left` and `width` in percent, and the action, of each bar; those that touch are one."""
    return [
        {"left": 100 * (a - start) / duration, "width": 100 * max(b - a, RESOLUTION * duration) / duration, "action": c}
        for a, b, c in _merge(lane, RESOLUTION * duration)
    ]


def _merge(lane: Sequence[Span], gap: float) -> Iterator[tuple[float, float, str]]:
    start, end, action = lane[0][:3]
    for span in lane[1:]:
        if span.action != action or span.start > end + gap:
            yield start, end, action
            start, end, action = span[:3]
        end = max(end, span.end)
    yield start, end, action
