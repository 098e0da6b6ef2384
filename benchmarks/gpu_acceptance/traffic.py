"""The model of an iteration: bytes that its kernels read and write, and what they take at a bandwidth. No measurement.

Of V voxels of the image and N of the cyclic array a float32 array has 4 V or 4 N bytes, and half a spectrum 4 N.
"""

from math import prod
from typing import NamedTuple

import numpy as np

from gpu_acceptance.sizes import Shape
from lightsheet.deconvolution import make_trimmed_frame
from lightsheet.deconvolution.gpu_backend import round_up_for_cufft
from lightsheet.simulation import Array

PASSES = (1, 3)
"""How often cuFFT reads and writes the array in a 3-D transform: once at best, once an axis at large sizes."""


FFT, SPECTRA = "four FFTs", "multiply, multiply_by_conjugate"
"""Names of steps; those of others are names of kernels."""


class Step(NamedTuple):
    """Kernels, and how many arrays of the cyclic size and of the image's size they read or write an iteration."""

    name: str
    cyclic: int
    image: int = 0


def list_steps(acceleration: str, boundary: str, passes: int) -> list[Step]:
    """Name what an iteration does, and what it moves."""
    steps = [Step(FFT, 4 * 2 * passes), Step(SPECTRA, 6)]
    steps.append(Step("divide", 1, 2) if boundary == "extended" else Step("divide", 2, 1))
    if acceleration == "none":
        return [*steps, Step("correct", 4)]
    if acceleration == "heavy-ball":
        return [*steps, Step("correct_and_extrapolate", 6)]
    return [*steps, Step("correct_and_compare", 5), Step("extrapolate", 5)]


def count_bytes(image: Shape, psf: Array, acceleration: str, boundary: str, passes: int) -> int:
    """Return the bytes that an iteration moves."""
    return sum(count_step_bytes(image, psf, acceleration, boundary, passes).values())


def count_step_bytes(image: Shape, psf: Array, acceleration: str, boundary: str, passes: int) -> dict[str, int]:
    """Return the bytes that each step of an iteration moves."""
    cyclic = prod(find_cyclic_shape(image, psf, boundary))
    steps = list_steps(acceleration, boundary, passes)
    return {step.name: 4 * (step.cyclic * cyclic + step.image * prod(image)) for step in steps}


def find_cyclic_shape(image: Shape, psf: Array, boundary: str) -> Shape:
    """Return the shape of the arrays in which FFTs work."""
    _, frame = make_trimmed_frame(image, np.asarray(psf), boundary, round_up_for_cufft)
    return frame.shape


def compute_floor(image: Shape, psf: Array, acceleration: str, boundary: str, bandwidth: float) -> list[float]:
    """Return the milliseconds of an iteration at a bandwidth in GB/s, by `PASSES`."""
    return [count_bytes(image, psf, acceleration, boundary, passes) / bandwidth / 1e6 for passes in PASSES]
