"""The fused engine against `sweeps`, whose method it has; test_itk.py and test_properties.py hold it to the others."""

import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from lightsheet.deconvolution import fused, fused_layout, sweeps
from lightsheet.deconvolution.method import CHOICES, Method
from tests.support.engines import relative_l2
from tests.support.families import parametrize

SCRIPTS = Path(__file__).parents[2] / "scripts"

METHODS = [
    Method(iterations, boundary, start, acceleration)
    for iterations in (6, 1)
    for boundary, start, acceleration in product(*(CHOICES[key] for key in ("boundary", "start", "acceleration")))
]


def simulate(shape, psf_shape, seed=0):
    random = np.random.default_rng(seed)
    image = random.random(shape).astype(np.float32) * 1000
    image[random.random(shape) < 0.2] = 0
    psf = random.random(psf_shape).astype(np.float32) + np.float32(0.05)
    return image, psf / psf.sum()


@parametrize("method", METHODS, quick=len(METHODS) // 2, ids=lambda method: "-".join(map(str, method)))
def test_it_computes_what_sweeps_compute(method):
    """Momentum enlarges differences: 8e-7 in the worst of these."""
    image, psf = simulate((19, 45, 70), (5, 8, 9))
    assert relative_l2(fused.deconvolve(image, psf, method, 2), sweeps.deconvolve(image, psf, method, 2)) < 2e-6


sizes = st.tuples(*[st.one_of(st.integers(1, 9), st.sampled_from([31, 32, 33, 47, 64, 65]))] * 3)


@given(shape=sizes, psf_shape=st.tuples(*[st.integers(1, 9)] * 3), method=st.sampled_from(METHODS))
def test_it_computes_what_sweeps_compute_for_any_shapes(shape, psf_shape, method):
    image, psf = simulate(shape, psf_shape)
    image.flat[0] = 500  # not all of it is dark
    assert relative_l2(fused.deconvolve(image, psf, method, 1), sweeps.deconvolve(image, psf, method, 1)) < 1e-5


@parametrize("acceleration", CHOICES["acceleration"], quick=2)
@pytest.mark.parametrize("boundary", CHOICES["boundary"])
def test_the_same_bits_for_any_number_of_threads(boundary, acceleration, monkeypatch):
    monkeypatch.setattr(fused, "VOXELS_OF_A_THREAD", 1)
    image, psf = simulate((23, 61, 37), (9, 6, 8))
    method = Method(5, boundary, "flat" if boundary == "extended" else "image", acceleration)
    one, *others = (fused.deconvolve(image, psf, method, threads) for threads in (1, 1, 2, 3))
    for other in others:
        assert np.array_equal(one, other)


@pytest.mark.parametrize("width", [2, 8, 40, 47, 62, 90])
@pytest.mark.parametrize("boundary", CHOICES["boundary"])
def test_the_same_bits_whether_frequencies_are_a_group_or_a_tail(width, boundary, monkeypatch):
    image, psf = simulate((11, 37, width), (4, 5, 1))
    results = []
    for longest in (0, fused_layout.LONGEST_TAIL, 15):
        monkeypatch.setattr(fused_layout, "LONGEST_TAIL", longest)
        results.append(fused.deconvolve(image, psf, Method(3, boundary), 2))
    for result in results[1:]:
        assert np.array_equal(results[0], result)


def test_an_image_may_be_read_only_or_a_view():
    image, psf = simulate((9, 40, 20), (3, 3, 3))
    method = Method(2)
    expected = fused.deconvolve(image, psf, method, 1)
    image.flags.writeable = False
    assert np.array_equal(fused.deconvolve(image, psf, method, 1), expected)
    assert np.array_equal(fused.deconvolve(np.asfortranarray(image)[:, :, :], psf, method, 1), expected)


PROGRAM = """
import hashlib, numpy as np
from lightsheet.deconvolution import fused, method
from lightsheet.deconvolution.lanes import emitter
random = np.random.default_rng(5)
image, psf = random.random((19, 45, 70)).astype(np.float32), random.random((5, 8, 9)).astype(np.float32)
digest = hashlib.sha256()
for acceleration in method.CHOICES["acceleration"]:
    digest.update(fused.deconvolve(image, psf / psf.sum(), method.Method(4, acceleration=acceleration), 1))
print(emitter.WIDTH, digest.hexdigest())
"""


def start(**variables):
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS), **variables}
    return subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, stdout=subprocess.PIPE, text=True)


def finish(process):
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0
    return output.split()


AVX2 = (
    "+64bit,+avx,+avx2,+bmi,+bmi2,+cmov,+cx16,+cx8,+f16c,+fma,+fxsr,+lzcnt,+mmx,+movbe,+popcnt,+sahf,+sse,+sse2,+sse3,"
    "+sse4.1,+sse4.2,+ssse3,+xsave"
)


@pytest.mark.slow
def test_the_same_bits_whatever_the_processors_registers():
    """With AVX2 alone, registers are half as wide as with AVX-512."""
    if os.uname().machine != "x86_64":
        pytest.skip("AVX2 is x86's")
    wide = finish(start())
    narrow = finish(start(NUMBA_CPU_NAME="x86-64-v3", NUMBA_CPU_FEATURES=AVX2))
    assert narrow == ["8", wide[1]]
