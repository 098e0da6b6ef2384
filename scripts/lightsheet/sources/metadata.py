"""What a file can say about itself, whatever its format, and units. What is absent or damaged is unknown, no error."""

import math
from collections.abc import Mapping
from typing import NamedTuple

MICROMETRES = {"nm": 1e-3, "um": 1.0, "mm": 1e3, "m": 1e6, "micron": 1.0, "microns": 1.0, "micrometer": 1.0}
SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0}


class FileMetadata(NamedTuple):
    """What one file says.

    `source` names the metadata in sentences, such as "OME-XML of a.tif". `voxel_size` in micrometre has those of z, y,
    x that are known; `z_choices` holds the distances between planes, in micrometre, that the file leaves open. `stage`
    has the `angle` in degrees and the `step` in micrometre of a stage that moved the sample at an angle, as far as
    known. `interval` is in seconds from one timepoint to the next, as the microscope was set; `times`, seconds since
    the first, has the time at which each of the T timepoints was recorded, or none: where one is not known, or they do
    not increase. `axes` is the order of the pages, slowest first, such as "TZC", and empty where unknown; `sizes` the
    numbers of T, C and Z in all that is described; `file_sizes` those of this file alone where the pages listed for it
    are complete. `channels` and `wavelengths` (excitation, nm) have one entry per channel, or none. `is_listed`: it
    says of each page what it is. `problem` says why the order of the pages is not known, though something tells of it,
    as in "it holds 2 images". `is_damaged`: there is metadata, but nothing could be read of it.
    """

    source: str
    voxel_size: Mapping[str, float] = {}
    interval: float | None = None
    times: tuple[float, ...] = ()
    axes: str = ""
    sizes: Mapping[str, int] = {}
    file_sizes: Mapping[str, int] = {}
    channels: tuple[str, ...] = ()
    wavelengths: tuple[int | None, ...] = ()
    z_choices: tuple[float, ...] = ()
    stage: Mapping[str, float] = {}
    is_listed: bool = False
    problem: str = ""
    is_damaged: bool = False


def convert_positive(value: object, unit: object, scales: Mapping[str, float]) -> float | None:
    """Convert a size with a unit; None for what is 0, no number, or of no unit of these."""
    number = abs(convert_unit(value, unit, scales))  # ImageJ's spacing is negative in stacks taken downwards
    return number if 0 < number < math.inf else None


def convert_unit(value: object, unit: object, scales: Mapping[str, float]) -> float:
    """Convert a number with a unit; NaN for what is no number or of no unit of these."""
    name = str(unit).strip().replace("\\u00B5", "u").replace("µ", "u").replace("μ", "u")
    try:
        return float(str(value)) * scales[name]
    except (KeyError, ValueError):
        return math.nan
