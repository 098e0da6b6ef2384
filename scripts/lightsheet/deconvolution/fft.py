"""The FFTs of engine `cpu-sweeps`: along one axis of one piece at a time, in the calling thread, without scaling.

SciPy's, because it is everywhere, keeps float32 and has terms like ours; from SciPy 1.18 (Python >= 3.12) it is
ducc's FFT. `docs/design-notes.md` says what was measured beside it. `forward=False` is the conjugate transform.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.fft

Array = np.ndarray[Any, Any]
Sweep = Callable[[Callable[[int], Any], int], list[Any]]
"""Calls a function for 0 to n - 1, in several threads, and returns what it returned."""

ROWS_BYTES = 1 << 20
"""Bytes of a block of rows: it stays in a core's own cache while all is done to it."""


def split_rows(height: int, width: int) -> Iterator[slice]:
    """Split the rows of a float32 plane into blocks of about `ROWS_BYTES`."""
    step = max(1, ROWS_BYTES // (4 * width))
    return (slice(start, min(start + step, height)) for start in range(0, height, step))


def transform_columns(spectrum: Array, *, forward: bool) -> None:
    """Transform complex64 (n, m) along its first axis, in place."""
    transform, norm = (scipy.fft.fft, "backward") if forward else (scipy.fft.ifft, "forward")
    result = transform(spectrum, axis=0, norm=norm, overwrite_x=True)
    if not np.may_share_memory(result, spectrum):  # SciPy may work in place, but does not promise to
        spectrum[:] = result


def transform_rows(rows: Array, spectrum: Array, *, forward: bool) -> None:
    """Transform float32 rows (m, n) into complex64 (m, n // 2 + 1)."""
    spectrum[:] = scipy.fft.rfft(rows) if forward else scipy.fft.ihfft(rows, norm="forward")


def restore_rows(spectrum: Array, n: int, *, forward: bool) -> Array:
    """Undo `transform_rows` with the same `forward`, times n: complex64 (m, n // 2 + 1) to new float32 rows (m, n)."""
    rows: Array = scipy.fft.irfft(spectrum, n, norm="forward") if forward else scipy.fft.hfft(spectrum, n)
    return rows


def transform_psf(psf: Array, shape: tuple[int, ...], sweep: Sweep) -> tuple[Array, Array]:
    """Return the OTF (y, z, x // 2 + 1) of a cyclic array (z, y, x), and a used spectrum (z, y, x // 2 + 1).

    The OTF is divided by the number of voxels, because the FFTs do not scale.
    """
    z, y, x = shape
    spectrum = np.empty((z, y, x // 2 + 1), np.complex64)
    otf = np.empty((y, z, x // 2 + 1), np.complex64)
    depth, height, width = psf.shape

    def transform_plane(plane: int) -> None:
        source = (plane + depth // 2) % z  # the PSF's centre goes to the origin
        if source >= depth:
            spectrum[plane] = 0
            return
        rows = np.zeros((y, x), np.float32)
        rows[:height, :width] = psf[source]
        rows = np.roll(rows, (-(height // 2), -(width // 2)), axis=(0, 1))
        transform_rows(rows, spectrum[plane], forward=True)
        transform_columns(spectrum[plane], forward=True)

    def transform_along_z(row: int) -> None:
        otf[row] = spectrum[:, row]
        transform_columns(otf[row], forward=True)
        otf[row] *= np.float32(1 / (z * y * x))

    sweep(transform_plane, z)
    sweep(transform_along_z, y)
    return otf, spectrum
