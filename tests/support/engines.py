"""Every engine with every boundary that it has, for tests of what holds for all of them."""

import numpy as np
import pytest

from lightsheet.deconvolution import ENGINES, gpu_trial, method, richardson_lucy

ITK = ("itk", "replicate")
NEEDS_GPU = (
    pytest.mark.gpu,
    pytest.mark.skipif(not gpu_trial.is_available(), reason="no CuPy, or no GPU that it sees"),
)
MARKS = {"gpu": NEEDS_GPU, "itk": pytest.mark.slow}

CASES = [
    pytest.param((engine, boundary), id=f"{engine}-{boundary}", marks=MARKS.get(engine, ()))
    for engine in ENGINES
    for boundary in method.CHOICES["boundary"]
    if boundary == "replicate" or engine not in method.FOREIGN
]

IN_PROCESS = [case for case in CASES if case.values != (ITK,)]
"""Without ITK, whose process takes a second to start; test_itk.py shows that engine cpu agrees with it."""


def relative_l2(result, reference):
    return np.linalg.norm(result - reference.astype(float)) / np.linalg.norm(reference.astype(float))


def restore(image, psf, case, iterations, threads=None):
    """Deconvolve with one of `CASES`."""
    engine, boundary = case
    return richardson_lucy(image, psf, iterations=iterations, engine=engine, boundary=boundary, threads=threads)
