"""The FFTs of engine `cpu`: along one axis of one piece at a time, in the calling thread, without scaling.

SciPy's, because it is everywhere, keeps float32 and has terms like ours; from SciPy 1.18 (Python >= 3.12) it is
ducc's FFT. `docs/design-notes.md` says what was measured beside it. `forward=False` is the conjugate transform.
"""

from typing import Any

import numpy as np
import scipy.fft

Array = np.ndarray[Any, Any]


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
    """Transform complex64 (m, n // 2 + 1) to new float32 rows (m, n): n times the inverse of `from_rows`.

    `forward` is the one with which the spectrum was made.
    """
    rows: Array = scipy.fft.irfft(spectrum, n, norm="forward") if forward else scipy.fft.hfft(spectrum, n)
    return rows
