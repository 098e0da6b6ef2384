"""Measures: what the records say of each volume that is worth following over time.

Resolution is found by decorrelation analysis: Descloux, Grussmayer & Radenovic, Nature Methods 16, 918-924 (2019).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from lightsheet.system import format_duration
from lightsheet.viewing.run_table import VolumeRecords


class Scale(NamedTuple):
    """What turns voxels into shares and micrometres.

    Parameters
    ----------
    voxels : int
        In a volume.
    pixel : float
        Micrometre along x.
    """

    voxels: int
    pixel: float


Value = Callable[[VolumeRecords, Scale], float | None]


@dataclass(frozen=True)
class Measure:
    """Something that is measured of every volume.

    Parameters
    ----------
    title, what : str
        Its name, and what it tells, in a sentence.
    curves : mapping
        By their labels the functions that find it in the records; the first is looked at for outliers.
    unit : str
        Stands behind a value: `µm`, `%` (of values that are shares) or `s`.
    floor : float
        What is nearer to the usual value than this share of it is no outlier.
    least : float
        Nor is what is nearer than this.
    from_zero : bool
        Whether its axis begins at 0.
    drifts : bool
        Whether it is relative to the first value, and compared with the timepoints around it.
    """

    title: str
    what: str
    curves: Mapping[str, Value]
    unit: str = ""
    floor: float = 0.1
    least: float = 0.0
    from_zero: bool = True
    drifts: bool = False


def measure_light_kept(volume: VolumeRecords, _: Scale) -> float | None:
    """Sum of the result by the sum of the image, None if that was all dark or missing."""
    found = volume.statistics
    return found["sum"] / found["flux_before"] if found.get("flux_before") else None


def _resolution(kind: str) -> Value:
    def micrometres(volume: VolumeRecords, scale: Scale) -> float | None:
        voxels = (volume.statistics.get("resolution_voxels") or {}).get(kind)
        return None if voxels is None else voxels * scale.pixel

    return micrometres


def _light(volume: VolumeRecords, scale: Scale) -> float | None:
    """Mean of the image above its background, counts."""
    total = volume.statistics.get("flux_before")
    return None if total is None else total / scale.voxels


def _share(key: str) -> Value:
    def share(volume: VolumeRecords, scale: Scale) -> float | None:
        count = volume.statistics.get(key)
        return None if count is None else count / scale.voxels

    return share


def _seconds(volume: VolumeRecords, _: Scale) -> float | None:
    return None if volume.missing else sum(volume.raw["seconds"].values()) + sum(volume.result["seconds"].values())


MEASURES = (
    Measure(
        "Light kept",
        "Sum of the result divided by the sum of the image above background: 1 if deconvolution conserves the flux.",
        {"": measure_light_kept},
        floor=0.01,
        from_zero=False,
    ),
    Measure(
        "Residual",
        "How far the result, blurred again by the PSF, is from the image: relative L2, near the noise if all is well.",
        {"": lambda volume, _: volume.statistics.get("residual")},
    ),
    Measure(
        "Resolution and focus",
        "Smallest resolved period in an xy plane, by decorrelation analysis; smaller is sharper. A rise of the raw "
        "curve is a loss of focus.",
        {"raw": _resolution("raw"), "result": _resolution("result")},
        unit="µm",
    ),
    Measure(
        "Bleaching",
        "Mean of the image above background, relative to the first timepoint.",
        {"": _light},
        floor=0.05,
        drifts=True,
    ),
    Measure(
        "Below background",
        "Voxels of the image below the background, set to 0 before deconvolution.",
        {"": _share("negative_voxels")},
        unit="%",
        least=0.01,
    ),
    Measure(
        "Saturated",
        "Voxels of the image at the largest value that its number type holds (65,535 of uint16): their light is lost.",
        {"": _share("saturated_voxels")},
        unit="%",
        least=1e-5,
    ),
    Measure(
        "Clipped",
        "Voxels of the result too bright for its number type: lower output.scale to keep them.",
        {"": _share("clipped_voxels")},
        unit="%",
        least=1e-5,
    ),
    Measure(
        "Seconds",
        "Of ingest and deconvolution, for each volume.",
        {"": _seconds},
        unit="s",
        floor=1.0,
        least=1.0,
    ),
)


def format_measure(value: float, unit: str = "") -> str:
    """Write a value of a measure with its unit, `0.9982`, `12.3 %`, `0.312 µm`, with four digits and no more."""
    shown = 100 * value if unit == "%" else value
    plain = f"{shown:,.0f}" if abs(shown) >= 1000 or shown == int(shown) else f"{shown:.4g}"
    if 0 < abs(shown) < 1e-4:
        plain = f"{shown:.1e}"
    return f"{plain} {unit}" if unit else plain


def format_moment(seconds: float) -> str:
    """Write when something was, `0.25 s`, `43.75 s`, `12 min`: exactly where seconds matter."""
    return format_measure(seconds, "s") if seconds < 100 else format_duration(seconds)
