"""An array module with its FFTs: what `fourier` needs of NumPy or CuPy."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lightsheet.deconvolution.padding import Shape, Weights

Array = Any  # of numpy or cupy


@dataclass
class Buffer:
    """What an FFT turns into the other and back; the two may share memory, so only the last one made is valid."""

    real: Array  # (z, y, x) float32
    spectrum: Array  # (z, y, x // 2 + 1) complex64


class Backend(NamedTuple):
    """An array module, and what is done differently with its arrays."""

    xp: Any
    buffer: Callable[[Shape], Buffer]  # for a cyclic array of this shape
    forward: Callable[[Buffer], None]  # real to spectrum, over all three axes
    inverse: Callable[[Buffer], None]  # spectrum to real, not scaled: the OTF is, once
    fuse: Callable[[Callable[..., None]], Callable[..., None]]  # makes an elementwise function, in place, one kernel
    correct: Callable[[Array, Array, Weights], None]  # see `correct_planes`


def make_numpy_backend(threads: int | None = None) -> Backend:
    """Return the backend of NumPy arrays and SciPy's FFT (pocketfft), which keeps float32."""
    import scipy.fft  # imported here because that takes 0.2 s, and not all engines need it

    workers = threads or -1

    def buffer(shape: Shape) -> Buffer:
        z, y, x = shape
        return Buffer(np.empty(shape, np.float32), np.empty((z, y, x // 2 + 1), np.complex64))

    def forward(buffer: Buffer) -> None:
        buffer.spectrum = scipy.fft.rfftn(buffer.real, workers=workers)

    def inverse(buffer: Buffer) -> None:
        buffer.real = scipy.fft.irfftn(
            buffer.spectrum, s=buffer.real.shape, norm="forward", overwrite_x=True, workers=workers
        )

    return Backend(np, buffer, forward, inverse, lambda function: function, correct_planes)


def correct_planes(correction: Array, prediction: Array, weights: Weights) -> None:
    """Make of the correction the next estimate: correction <- prediction max(weight correction, 0), in place."""
    z_index, y_index, x_index = weights.indices
    for plane, factor, z in zip(correction, prediction, z_index, strict=True):
        plane *= weights.table[z][np.ix_(y_index, x_index)]
        np.maximum(plane, 0, out=plane)  # rounding, and a PSF's negative values, must not make the estimate negative
        plane *= factor
