"""Momentum: how far the next prediction goes beyond the estimate, along its last change.

With x_k the estimate after iteration k, the published rules start iteration k + 1 from x_k + alpha_k (x_k - x_(k-1)),
cut off at 0, and differ in alpha_k. Richardson-Lucy's steps are factors, not differences, and so is the momentum here:
x_k (x_k / x_(k-1))^alpha_k, the exponential vector extrapolation of Biggs (Accelerated iterative blind deconvolution,
PhD thesis, University of Auckland, 1998, section 3.6.8). To the first order that is the same. But no voxel is cut off,
after which it would be 0 for ever, and bright structure grows before noise does: on noisy simulations the sum never
comes as near to the truth as plain Richardson-Lucy at its best, and the power comes nearer (benchmarks/quality.py). It
is computed as its [1/1] Pade approximant in x_k / x_(k-1) around 1, which is positive and bounded by itself:

    p = x_k ((1 + alpha) x_k + (1 - alpha) x_(k-1)) / ((1 - alpha) x_k + (1 + alpha) x_(k-1))
"""

from typing import Any

import numpy as np

BIGGS_LARGEST = 1 - 2**-10
"""The rule wants alpha below 1, where predictions would run away."""

TINY = float(np.finfo(np.float32).tiny)
"""Added to denominators, so that a black image gives quotients of 0, not 0 / 0."""


def compute_heavy_ball(iteration: int) -> float:
    """Return alpha, 0 to below 1: the scaled heavy ball of Wang and Miller 2014, IEEE Trans. Image Process. 23, 848."""
    return (iteration - 1) / (iteration + 2)


def compute_biggs(product: float, square: float) -> float:
    """Return alpha, from 0 to below 1, of the automatic acceleration: Biggs and Andrews 1997, Applied Optics 36, 1766.

    With g_k the estimate after iteration k less the prediction from which that started, `product` is the sum over
    voxels of g_k g_(k-1), `square` that of g_(k-1)^2: 0 before there are two changes.
    """
    return min(max(product / square, 0.0), BIGGS_LARGEST) if square > 0 else 0.0


def extrapolate_rows(new: Any, previous: Any, alpha: np.float32) -> None:
    """Turn the new estimate into the prediction and the previous one into the new; with few arrays."""
    ahead, step = new + previous, new - previous
    previous[...] = new
    step *= alpha
    behind = ahead - step
    behind += np.float32(TINY)
    ahead += step
    ahead /= behind
    new *= ahead


def extrapolate(new: Any, prediction: Any, previous: Any, more: Any, less: Any) -> None:
    """Extrapolate as `extrapolate_rows`, in one kernel on a GPU; `more` and `less` are 1 + alpha and 1 - alpha."""
    ahead = more * new + less * previous
    prediction[...] = new * (ahead / (less * new + more * previous + np.float32(TINY)))
    previous[...] = new
    new[...] = prediction
