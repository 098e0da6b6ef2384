"""What a person looks at: one HTML page about a finished run.

Everything is read from what stands under `results/NAME`: the published stores, the records, the PSFs used and the
inventory. The page needs no network and no script; pictures are embedded, and its links are relative.
"""

import base64
import csv
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import zarr
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lightsheet import files, log, ome, pictures, records, timeaxis
from lightsheet.errors import InputError
from lightsheet.records import Record
from lightsheet.results import Results

STAGES = {"raw": ("ingest",), "result": ("read", "deconvolve", "write")}

FLUX_REACH = 0.02
"""A flux curve shows at least 1 +- this, so that rounding errors do not look like events."""

OPEN_ROWS = 40
"""A longer table starts collapsed."""


def write(results: Results, path: Path) -> None:
    """Write the report of a finished run.

    Parameters
    ----------
    results : Results
        The run, its stores published.
    path : Path
        The HTML file, which appears whole or not at all; its links hold in the results folder.

    Raises
    ------
    InputError
        If a store is not published or a volume has no record.
    """
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": _number, "size": log.size, "duration": log.duration}
    files.write_text(path, environment.get_template("report.html.jinja").render(_facts(results)))


def _facts(results: Results) -> dict[str, Any]:
    """Collect what the template shows."""
    attributes = ome.read(results.store)
    colours, first = ome.colours(attributes), attributes["multiscales"][0]
    scale = first["datasets"][0]["coordinateTransformations"][0]["scale"]
    array = zarr.open_array(results.store / first["datasets"][0]["path"], mode="r")
    time = _Time.read(results, array.shape[0])
    done = {c: [_Volume.read(results, c, t) for t in range(array.shape[0])] for c in colours}
    return {
        "name": results.name,
        "timepoints": array.shape[0],
        "shape": array.shape[2:],
        "dtype": array.dtype,
        "voxel_size": scale[2:],
        "time": time,
        "bytes": {
            "result": _bytes(results.store),
            "raw": sum(_bytes(results.raw_store(channel)) for channel in colours),
        },
        "channels": [_channel(results, c, colour, done[c], time.places) for c, colour in colours.items()],
        "settings": _settings({c: [volume.result["settings"] for volume in done[c]] for c in colours}),
        "stages": STAGES,
        "volumes": [volume for of_all in zip(*done.values(), strict=True) for volume in of_all],
        "missing": [volume for of_channel in done.values() for volume in of_channel if volume.missing],
        "window": pictures.WINDOW,
        "open_rows": OPEN_ROWS,
    }


class _Time(NamedTuple):
    """The time axis: its steps and the time from the first timepoint to the last, in seconds, as far as known.

    `places` are those of the timepoints between the first, 0, and the last, 1.
    """

    interval: float | None
    range: tuple[float, float] | None
    irregular: bool
    elapsed: float | None
    places: Sequence[float]

    @classmethod
    def read(cls, results: Results, timepoints: int) -> "_Time":
        """Read the time axis of the result."""
        group = files.read_json(results.store / "zarr.json")
        seconds: list[float | None] = group["attributes"]["lightsheet"]["seconds"] or [None] * timepoints
        steps = [step for _, step in timeaxis.steps(seconds)]
        interval = timeaxis.interval(seconds)
        if interval is None:
            return cls(None, None, False, None, list(np.linspace(0, 1, timepoints)))
        first, last = seconds[0], seconds[-1]
        elapsed = None if first is None or last is None else last - first
        irregular = timeaxis.is_irregular(seconds)
        return cls(interval, (min(steps), max(steps)), irregular, elapsed, _places(seconds, interval))


def _places(seconds: Sequence[float | None], interval: float) -> list[float]:
    """Place timepoints between the first, 0, and the last, 1; one of unknown time evenly between its neighbours."""
    known, times = zip(*[(t, time) for t, time in enumerate(seconds) if time is not None], strict=True)
    every = np.arange(len(seconds))
    beyond = np.minimum(every - known[0], 0) + np.maximum(every - known[-1], 0)
    placed = np.interp(every, known, times) + interval * beyond
    return list((placed - placed[0]) / (placed[-1] - placed[0]))


class _Volume(NamedTuple):
    channel: str
    timepoint: int
    raw: Record
    result: Record

    @classmethod
    def read(cls, results: Results, channel: str, timepoint: int) -> "_Volume":
        """Read both records of a volume."""
        raw, result = (records.read(results.record(kind, channel, timepoint)) for kind in STAGES)
        if not (raw and result and raw["status"] == result["status"] == "done"):
            raise InputError(
                f"{results.folder}: {channel} timepoint {timepoint} is not done; run the same command again"
            )
        return cls(channel, timepoint, raw, result)

    @property
    def missing(self) -> bool:
        """Whether there is no such volume among the files, but a hole in the stores."""
        return bool(self.raw.get("missing"))

    @property
    def flux(self) -> float | None:
        """Sum of the result by the sum of the image, None if that was all dark or missing."""
        statistics = self.result["statistics"]
        if self.missing:
            return None
        return statistics["sum"] / statistics["flux_before"] if statistics["flux_before"] else None


def _channel(
    results: Results, name: str, colour: str, volumes: Sequence[_Volume], places: Sequence[float]
) -> dict[str, Any]:
    flux = [volume.flux for volume in volumes]
    reach = max([FLUX_REACH, *(abs(value - 1) for value in flux if value is not None)])
    peaks = [None if volume.missing else volume.result["statistics"]["max"] for volume in volumes]
    shown = next(volume.timepoint for volume in volumes if not volume.missing)
    return {
        "name": name,
        "colour": colour,
        "shown": shown,
        "wavelength": _wavelengths(results)[name],
        "pictures": {
            caption: pictures.embed(pictures.projections(results, kind, name, shown))
            for kind, caption in pictures.CAPTIONS.items()
        },
        "psf": files.read_json(results.psf(name, ".json")),
        "psf_png": base64.b64encode(results.psf(name, ".png").read_bytes()).decode(),
        "curves": {
            "flux, result / image": _curve(places, flux, 1 - reach, 1 + reach),
            "brightest voxel": _curve(places, peaks, 0, max(peak or 0 for peak in peaks) or 1),
        },
    }


def _wavelengths(results: Results) -> dict[str, str]:
    """Return per channel its wavelength in nm, empty if unknown."""
    with (results.folder / "inventory.csv").open(newline="", encoding="utf-8") as table:
        return {row["channel"]: row["wavelength_nm"] for row in csv.DictReader(table)}


def _settings(per_channel: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, str | dict[str, str]]:
    """Return per key the value used, or per channel the values where the channels differ."""
    used: dict[str, str | dict[str, str]] = {}
    for key in next(iter(per_channel.values()))[0]:
        values = {
            channel: ", ".join(dict.fromkeys(str(settings[key]) for settings in every))
            for channel, every in per_channel.items()
        }
        used[key] = values if len(set(values.values())) > 1 else next(iter(values.values()))
    return used


def _curve(places: Sequence[float], values: Sequence[float | None], low: float, high: float) -> dict[str, Any]:
    """Place values over time in a square of 100, upwards from `low` to `high`; None ends a segment of the curve."""
    points = [
        value if value is None else (round(100 * place, 2), round(100 * (high - value) / (high - low), 2))
        for place, value in zip(places, values, strict=True)
    ]
    segments = [list(run) for known, run in groupby(points, lambda point: point is not None) if known]
    return {"segments": segments, "low": low, "high": high}


def _bytes(store: Path) -> int:
    return sum(file.stat().st_size for file in store.rglob("*") if file.is_file())


def _number(value: float) -> str:
    """Write a number with four digits, and all digits before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.4g}"
