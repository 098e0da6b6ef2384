"""An array module with its FFTs and elementwise steps: what `fourier` needs of NumPy or CuPy."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lightsheet.deconvolution.momentum import extrapolate
from lightsheet.deconvolution.padding import Frame, Shape, Weights, round_up_shape

Array = Any  # of numpy or cupy


@dataclass
class Buffer:
    """Voxels and their spectrum, which FFTs turn into each other; they may share memory, so only the last is valid."""

    real: Array  # (z, y, x) float32
    spectrum: Array  # (z, y, x // 2 + 1) complex64


class Setup(NamedTuple):
    """What all volumes of one shape and PSF share."""

    frame: Frame
    places: Sequence[Array]  # along each axis, which voxel of the image counts there, or -1
    otf: Array  # (z, y, x // 2 + 1) complex64, divided by the number of voxels
    weights: Weights
    is_extended: bool  # boundary "extended", else "replicate"


class Backend(NamedTuple):
    """An array module, and what is done differently with its arrays; all but `make_divider` in place."""

    xp: Any
    round_up: Callable[[Iterable[int]], Shape]  # a cyclic array's least shape to one that is quick to transform
    buffer: Callable[[Shape], Buffer]  # for a cyclic array of this shape
    forward: Callable[[Buffer], None]  # real to spectrum, over all three axes
    inverse: Callable[[Buffer], None]  # spectrum to real, not scaled: the OTF is, once
    multiply: Callable[[Array, Array], None]  # a spectrum by the OTF
    multiply_by_conjugate: Callable[[Array, Array], None]
    place: Callable[[Array, Array, Sequence[Array]], None]  # see `place_voxels`, as the following ones
    make_divider: Callable[[Array, Setup, Any], Callable[[Array], None]]
    correct: Callable[[Array, Array, Weights, bool], None]
    correct_and_extrapolate: Callable[[Array, Array, Array, Weights, Any, Any], None]
    correct_and_compare: Callable[[Array, Array, Array, Weights], tuple[float, float]]
    extrapolate: Callable[[Array, Array, Array, Any, Any], None]


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

    return Backend(
        np,
        round_up_shape,
        buffer,
        forward,
        inverse,
        multiply,
        multiply_by_conjugate,
        place_voxels,
        make_divider,
        correct_planes,
        correct_and_extrapolate,
        correct_and_compare,
        extrapolate,
    )


def multiply(spectrum: Array, otf: Array) -> None:
    """Multiply a spectrum by the OTF."""
    spectrum *= otf


def multiply_by_conjugate(spectrum: Array, otf: Array) -> None:
    """Multiply a spectrum by the OTF's conjugate, which correlates with the PSF."""
    spectrum *= np.conjugate(otf)


def place_voxels(target: Array, image: Array, indices: Sequence[Array]) -> None:
    """Write into a cyclic array the voxels of the image that `indices` name along each axis."""
    target[...] = image[np.ix_(*indices)]


def make_divider(image: Array, setup: Setup, threshold: Any) -> Callable[[Array], None]:
    """Return what divides the image by its prediction, in place of that: 0 by less than the threshold, and outside."""
    if setup.is_extended:
        view, measured = setup.frame.view, image
    else:
        view, measured = (slice(None),) * 3, image[np.ix_(*setup.places)]
    z, y, x = measured.shape

    def divide(blurred: Array) -> None:
        blurred[view] = measured / np.where(blurred[view] < threshold, np.float32(np.inf), blurred[view])
        blurred[z:] = 0
        blurred[:, y:] = 0
        blurred[:, :, x:] = 0

    return divide


def correct_planes(correction: Array, prediction: Array, weights: Weights, clips: bool) -> None:
    """Write the estimate into both: prediction * weight * correction, whose factor is at least 0 if it `clips`."""
    z_index, y_index, x_index = weights.indices
    for plane, factor, z in zip(correction, prediction, z_index, strict=True):
        plane *= weights.table[z][np.ix_(y_index, x_index)]
        if clips:  # rounding, and a PSF's negative values, must not make the estimate negative
            np.maximum(plane, 0, out=plane)
        plane *= factor
        factor[...] = plane


def correct_and_extrapolate(
    correction: Array, prediction: Array, previous: Array, weights: Weights, more: Any, less: Any
) -> None:
    """Write the estimate into `previous`, and into the two others what `extrapolate` makes of both."""
    correct_planes(correction, prediction, weights, clips=True)
    extrapolate(correction, prediction, previous, more, less)


def correct_and_compare(correction: Array, prediction: Array, change: Array, weights: Weights) -> tuple[float, float]:
    """Write the estimate into `correction` and what it changed into `change`; return the sums of `compute_biggs`."""
    predicted = prediction.copy()
    correct_planes(correction, prediction, weights, clips=True)
    new = np.subtract(correction, predicted, out=predicted)
    product, square = (float(np.sum(array * change, dtype=np.float64)) for array in (new, change))
    change[...] = new
    return product, square
