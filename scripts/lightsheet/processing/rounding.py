"""How finely a result is stored: as its noise asks for, and no finer."""

import math
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from lightsheet.processing.camera import OUTPUT_MAX
from lightsheet.store import ALL_BITS, round_last_bits

FLOAT_SHARE = 1 / 3
"""Of the noise of a result's voxels, however bright they are, that rounding of floats comes to at most: together, as
they are independent, they are 1.05 times the noise."""

WHOLE_SHARE = 0.55
"""Likewise of whole numbers, whose steps are all alike: of the darkest class it is so much, of the others far less."""

LEAST_BITS = 5
"""Bits of a mantissa that are kept however much noise there is: no value changes by more than 1/64 of it."""

ROUNDING = math.sqrt(0.75 / (24 * math.log(2)))
"""Root mean square of what rounding to a mantissa without bits would change, relative to values of all sizes."""

LEAST_LEVELS = 1000
"""Whole numbers up to the brightest voxel that was tried, however much noise it has: for what is dim."""

LEAST_SQUARES = 1e-20
"""A smaller sum of squares may have lost some that were too small for a float32."""

HEADROOM = 2.0
"""Largest whole number, divided by the brightest voxel that was tried: other parts and timepoints may be brighter."""


class ResultNoise(NamedTuple):
    """Noise of a result, whole, and in classes of its voxels from the darkest to the brightest."""

    relative: float  # root of its summed squares by that of the result
    levels: np.ndarray  # root mean square of the voxels of each class, in counts
    deviations: np.ndarray  # and of their noise


def choose_bits(noise: ResultNoise) -> int:
    """Return how many bits of mantissa a float32 result needs; all where no noise is known."""
    finest = min((d / v for d, v in zip(noise.deviations, noise.levels, strict=True) if v), default=0.0)
    if not finest:
        return ALL_BITS["float32"]
    bits = math.ceil(math.log2(ROUNDING / (FLOAT_SHARE * finest)))
    return min(max(bits, LEAST_BITS), ALL_BITS["float32"])


def choose_step(noise: ResultNoise) -> float:
    """Return by how many counts stored whole numbers may differ; 0 where no noise is known."""
    return WHOLE_SHARE * math.sqrt(12) * float(min(noise.deviations, default=0.0))


def choose_scale(brightest: float) -> float:
    """Return stored values per count, two digits of them: the brightest voxel uses half of the whole numbers."""
    scale = float(f"{OUTPUT_MAX / (HEADROOM * brightest):.2g}")
    return int(scale) if scale.is_integer() else scale  # as a configuration has it


def choose_whole_bits(brightest: float, step: float, scale: float) -> int:
    """Return how many bits of a uint16 are needed.

    Parameters
    ----------
    brightest : float, counts of the brightest voxel that was tried
    step : float, counts, from `choose_step`
    scale : float, stored values per count
    """
    multiple = min(step, brightest / LEAST_LEVELS) * scale
    return ALL_BITS["uint16"] - (math.floor(math.log2(multiple)) if multiple > 1 else 0)


def round_result(result: np.ndarray, bits: int, threads: int = 1) -> float:
    """Round what is stored of a result to so many bits, in place; return by how much it changed, relative L2.

    Parameters
    ----------
    result : ndarray (z, y, x), float32 or uint16
    bits : int, see `round_last_bits`
    threads : int, planes at a time
    """

    def round_plane(plane: np.ndarray) -> tuple[float, float]:
        exact = plane.astype(np.float32)
        energy = _sum_squares(exact)
        round_last_bits(plane, bits)
        exact -= plane
        return _sum_squares(exact), energy

    with ThreadPoolExecutor(threads) as pool:
        changed, energy = map(math.fsum, zip(*pool.map(round_plane, result), strict=True))
    return math.sqrt(changed / energy) if energy else 0.0


def _sum_squares(values: np.ndarray) -> float:
    """Sum up squares of a plane; in double precision, which takes longer, only where single has no room for them."""
    total = float(np.vdot(values, values))
    return total if LEAST_SQUARES < total < math.inf else float(np.square(values, dtype=np.float64).sum())
