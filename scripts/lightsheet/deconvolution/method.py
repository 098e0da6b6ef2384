"""What is computed, whichever engine computes it: the method's choices, and what each may be.

Light to import: the configuration is checked by it whenever Snakemake reads the Snakefile.
"""

from typing import Any, NamedTuple

import numpy as np

from lightsheet.system import InputError

ALGORITHM_VERSION = 3
"""Part of every fingerprint: raise it when an engine's pixels change for the same settings."""

ENGINES = {
    "cpu": "lightsheet.deconvolution.fused",
    "cpu-sweeps": "lightsheet.deconvolution.sweeps",
    "gpu": "lightsheet.deconvolution.gpu",
    "itk": "lightsheet.deconvolution.itk",
    "skimage": "lightsheet.deconvolution.skimage",
}
"""The file of each engine, see `engines`."""

CHOICES = {
    "boundary": ("extended", "replicate"),
    "start": ("flat", "image"),
    "acceleration": ("none", "biggs", "heavy-ball"),
}

FOREIGN = ("itk", "skimage")
"""Engines that are other people's filters, with `FOREIGN_ONLY` of the choices."""

FOREIGN_ONLY = {"boundary": "replicate", "acceleration": "none"}


class Method(NamedTuple):
    """How to deconvolve: values of `CHOICES`."""

    iterations: Any  # at least 1; or "auto", until `resolve_iterations` replaces it before an engine is called
    boundary: str = "extended"  # see `richardson_lucy`
    start: str = "flat"  # the first estimate
    acceleration: str = "none"  # see `momentum`


def check_method(method: Method, engine: str) -> None:
    """Refuse a choice that there is not, or not with this engine: InputError with the key and what it may be."""
    if method.iterations == "auto":
        if method.boundary != "extended":
            raise InputError("iterations: auto needs boundary: extended; choose that, or give a number")
    elif not isinstance(method.iterations, int | np.integer):
        raise InputError(f"iterations: {method.iterations!r} is neither a whole number nor auto")
    elif method.iterations < 1:
        raise InputError(f"iterations: {method.iterations} is too few; give 1 or more")
    for key, choices in CHOICES.items():
        value = getattr(method, key)
        check_choice(key, value, choices)
        allowed = FOREIGN_ONLY.get(key, value) if engine in FOREIGN else value
        if value != allowed:
            raise InputError(f"{key}: engine {engine} has no {value!r}; choose engine: cpu or {key}: {allowed}")


def find_agreement(acceleration: str, iterations: int) -> float:
    """Return the relative L2 distance by which two right results may differ: of two engines, or of libraries' versions.

    Rounding differs. Of plain Richardson-Lucy that stays below 1e-5, but momentum multiplies it, and that of "biggs" is
    a quotient of sums of small differences. Measured, on images of noise and of spots with three PSFs, were at most
    5e-6 after 100 iterations without, 8e-6 after 30 and 7e-5 after 100 with "heavy-ball", 1e-4 after 10 or 30 and 2e-4
    after 100 with "biggs"; of more than 100 iterations nothing is known.
    """
    if acceleration == "none":
        return 1e-5
    if acceleration == "heavy-ball":
        return 1e-5 if iterations <= 20 else 2e-4
    return 2e-4 if iterations <= 30 else 1e-3


def check_mask(boundary: str, engine: str) -> None:
    """Refuse to leave out what was never measured by a method that cannot: InputError with the keys that can."""
    if boundary != "extended" or engine in FOREIGN:
        culprit = f"engine {engine}" if engine in FOREIGN else f"boundary: {boundary}"
        raise InputError(
            f"{culprit} takes for dark what was never measured; choose boundary: extended with engine: cpu or gpu"
        )


def check_choice(key: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a key's value that is none of the choices."""
    if value not in choices:
        raise InputError(f"{key}: there is no {value!r}; choose one of {', '.join(choices)}")
