"""What is done to the voxels of a block between two transforms, while it is in cache; arrays are flat, of one length.

Where an array may be missing, it is empty, and nothing is done.
"""

import numpy as np

from lightsheet.deconvolution.lanes.jit import inlined
from lightsheet.deconvolution.lanes.plan import BLOCK, Doubles, Floats
from lightsheet.deconvolution.momentum import TINY

ZERO, LEAST = np.float32(0), np.float32(TINY)


@inlined
def fill(target: Floats, value: float) -> None:
    """Write a number."""
    for k in range(len(target)):
        target[k] = value


@inlined
def copy(source: Floats, target: Floats) -> None:
    """Copy voxels; the target may be missing."""
    for k in range(len(target)):
        target[k] = source[k]


@inlined
def divide(blurred: Floats, image: Floats, threshold: float) -> None:
    """Divide the image by its prediction, in place of that; by less than the threshold the quotient is 0."""
    for k in range(len(blurred)):
        blurred[k] = ZERO if blurred[k] < threshold else image[k] / blurred[k]


@inlined
def correct(factor: Floats, weight: Floats, floor: float, estimate: Floats) -> None:
    """Multiply the estimate by the factor times its weight, or by `floor` where that is more."""
    for k in range(len(factor)):
        product = factor[k] * weight[k]
        estimate[k] *= floor if product < floor else product


@inlined
def sum_changes(
    factor: Floats, weight: Floats, floor: float, estimate: Floats, change: Floats, sums: Doubles
) -> None:  # fmt: skip
    """Do `correct`, and sum the products and squares that "biggs" needs, each lane by itself."""
    for lane in range(2 * BLOCK):
        sums[lane] = 0
    for start in range(0, len(factor), BLOCK):
        for lane in range(BLOCK):
            k = start + lane
            product = factor[k] * weight[k]
            new = estimate[k] * (floor if product < floor else product)
            last_change, change[k] = np.float64(change[k]), new - estimate[k]
            estimate[k] = new
            sums[lane] += np.float64(change[k]) * last_change
            sums[BLOCK + lane] += last_change * last_change


@inlined
def extrapolate(estimate: Floats, previous: Floats, alpha: float) -> None:
    """Do what `momentum.extrapolate_rows` does; without momentum, the previous estimate is missing."""
    for k in range(len(previous)):
        new, old = estimate[k], previous[k]
        ahead, step = new + old, (new - old) * alpha
        previous[k] = new
        estimate[k] = new * ((ahead + step) / ((ahead - step) + LEAST))
