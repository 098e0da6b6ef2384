"""Measures: what the records say of each volume that is worth following over time.

Resolution is found by decorrelation analysis: Descloux, Grussmayer & Radenovic, Nature Methods 16, 918-924 (2019).
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from lightsheet.system import format_duration
from lightsheet.viewing.finished_run import VolumeRecords

Value = Callable[[VolumeRecords], float | None]


class Measure(NamedTuple):
    """Something that is measured of every volume, and how its chart and the outlier rule treat it."""

    title: str
    description: str
    curves: Mapping[str, Value]  # by label, what computes it from a volume's records; outliers are those of the first
    unit: str = ""  # `s`; `µm` converts a record's voxels to length, `%` a count of voxels to a share of the volume
    relative_floor: float = 0.1  # a value nearer to the usual one than this share of it is no outlier
    absolute_floor: float = 0.0  # nor is a value nearer to the usual one than this
    from_zero: bool = True  # whether the axis begins at 0
    drifts: bool = False  # whether it is relative to the first value, and compared with the timepoints around it


def _read(key: str) -> Value:
    return lambda volume: volume.statistics.get(key)


def _read_resolution(kind: str) -> Value:
    return lambda volume: (volume.statistics.get("resolution_voxels") or {}).get(kind)


def _sum_seconds(volume: VolumeRecords) -> float | None:
    return None if volume.missing else sum(volume.raw["seconds"].values()) + sum(volume.result["seconds"].values())


MEASURES = (
    Measure(
        "Light kept",
        "Sum of the result divided by the sum of the image above background: 1 if deconvolution conserves the flux.",
        {"": lambda volume: volume.light_kept},
        relative_floor=0.01,
        from_zero=False,
    ),
    Measure(
        "Residual",
        "How far the result, blurred again by the PSF, is from the image: relative L2, near the noise if all is well.",
        {"": _read("residual")},
    ),
    Measure(
        "Resolution and focus",
        "Smallest resolved period in an xy plane, by decorrelation analysis; smaller is sharper. A rise of the raw "
        "curve is a loss of focus.",
        {"raw": _read_resolution("raw"), "result": _read_resolution("result")},
        unit="µm",
    ),
    Measure(
        "Bleaching",
        "Mean of the image above background, relative to the first timepoint.",
        {"": _read("flux_before")},
        relative_floor=0.05,
        drifts=True,
    ),
    Measure(
        "Below background",
        "Voxels of the image below the background, set to 0 before deconvolution.",
        {"": _read("negative_voxels")},
        unit="%",
        absolute_floor=0.01,
    ),
    Measure(
        "Saturated",
        "Voxels of the image at the largest value that its number type holds (65,535 of uint16): their light is lost.",
        {"": _read("saturated_voxels")},
        unit="%",
        absolute_floor=1e-5,
    ),
    Measure(
        "Clipped",
        "Voxels of the result too bright for its number type: lower output.scale to keep them.",
        {"": _read("clipped_voxels")},
        unit="%",
        absolute_floor=1e-5,
    ),
    Measure(
        "Seconds",
        "Of ingest and deconvolution, for each volume.",
        {"": _sum_seconds},
        unit="s",
        relative_floor=1.0,
        absolute_floor=10.0,  # a worker's first volume takes seconds more, in which it loads and compiles what it needs
    ),
)


def format_measure(value: float, unit: str = "") -> str:
    """Write a value of a measure with its unit, `0.9982`, `12.3 %`, `0.312 µm`, `51,234`: with four digits and no more.

    Parameters
    ----------
    value : float, in the unit; of `%` a share of 1
    unit : str, none for a number alone
    """
    number = 100 * value if unit == "%" else value
    text = f"{number:,.0f}" if abs(number) >= 1000 or number == int(number) else f"{number:.4g}"
    if 0 < abs(number) < 1e-4:
        text = f"{number:.1e}"
    return f"{text} {unit}" if unit else text


def format_moment(seconds: float) -> str:
    """Write when something was, `0.25 s`, `43.75 s`, `12 min`: exactly where seconds matter."""
    return format_measure(seconds, "s") if seconds < 100 else format_duration(seconds)
