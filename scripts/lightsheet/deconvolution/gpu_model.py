"""What engine `gpu` should take by paper: the bytes that its kernels move, and what these take. Nothing is measured.

Of V voxels of the image and N of the cyclic array a float32 array has 4 V or 4 N bytes, and half a spectrum 4 N.
"""

from math import prod
from typing import NamedTuple

from lightsheet.deconvolution.gpu_backend import round_up_for_cufft
from lightsheet.deconvolution.method import Method
from lightsheet.deconvolution.padding import Shape, make_frame

DATASHEETS = {
    "V100 (900 GB/s)": 900,
    "A100, 80 GB (2039 GB/s)": 2039,
    "H100 SXM (3350 GB/s)": 3350,
    "H200 (4800 GB/s)": 4800,
}
"""Bandwidths of the device's memory, GB/s."""

SHARE = 0.85
"""Of a data sheet's bandwidth, what a copy usually reaches: an assumption."""

PASSES = (1, 3)
"""How often cuFFT reads and writes the array in a 3-D transform: once at best, once an axis at large sizes."""

FFT, SPECTRA = "four FFTs", "multiply, multiply_by_conjugate"
"""Names of steps; those of others are names of kernels."""

MODEL = "H100 SXM (3350 GB/s)"
"""The GPU that is planned with: on a slower one fewer volumes in hand would do."""

BESIDE_ITERATIONS = 1
"""So many more iterations stand for all else that the device does of a volume: the start, residual and statistics."""


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


def count_step_bytes(image: Shape, cyclic: Shape, acceleration: str, boundary: str, passes: int) -> dict[str, int]:
    """Return the bytes that each step of an iteration moves; of an image and a cyclic array of these shapes."""
    steps = list_steps(acceleration, boundary, passes)
    return {step.name: 4 * (step.cyclic * prod(cyclic) + step.image * prod(image)) for step in steps}


def estimate_seconds(image: Shape, psf: Shape, method: Method, gpu: str = MODEL) -> float:
    """Return the seconds that a GPU computes for a volume, by the model.

    Parameters
    ----------
    image, psf : tuple of int, (z, y, x)
    method : Method, with a number of iterations
    gpu : str, one of `DATASHEETS`
    """
    cyclic = make_frame(image, psf, method.boundary, round_up_for_cufft).shape
    moved = sum(count_step_bytes(image, cyclic, method.acceleration, method.boundary, PASSES[-1]).values())
    return (int(method.iterations) + BESIDE_ITERATIONS) * moved / (SHARE * DATASHEETS[gpu] * 1e9)
