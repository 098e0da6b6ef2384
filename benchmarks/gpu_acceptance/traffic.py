"""The model of an iteration for the benchmark's PSF: bytes that kernels move, and what they take. No measurement."""

import numpy as np

from gpu_acceptance.sizes import Shape
from lightsheet.deconvolution import make_trimmed_frame
from lightsheet.deconvolution.gpu_backend import round_up_for_cufft
from lightsheet.deconvolution.gpu_model import PASSES, count_step_bytes as count_bytes_of_shapes
from lightsheet.simulation import Array


def count_bytes(image: Shape, psf: Array, acceleration: str, boundary: str, passes: int) -> int:
    """Return the bytes that an iteration moves."""
    return sum(count_step_bytes(image, psf, acceleration, boundary, passes).values())


def count_step_bytes(image: Shape, psf: Array, acceleration: str, boundary: str, passes: int) -> dict[str, int]:
    """Return the bytes that each step of an iteration moves."""
    return count_bytes_of_shapes(image, find_cyclic_shape(image, psf, boundary), acceleration, boundary, passes)


def find_cyclic_shape(image: Shape, psf: Array, boundary: str) -> Shape:
    """Return the shape of the arrays in which FFTs work."""
    _, frame = make_trimmed_frame(image, np.asarray(psf), boundary, round_up_for_cufft)
    return frame.shape


def compute_floor(image: Shape, psf: Array, acceleration: str, boundary: str, bandwidth: float) -> list[float]:
    """Return the milliseconds of an iteration at a bandwidth in GB/s, by `PASSES`."""
    return [count_bytes(image, psf, acceleration, boundary, passes) / bandwidth / 1e6 for passes in PASSES]
