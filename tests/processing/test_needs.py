import math
import re

import pytest

from lightsheet.cluster.width import choose_slots
from lightsheet.deconvolution import Method, gpu_model
from lightsheet.processing.memory import estimate_memory
from lightsheet.processing.needs import BESIDE_GPU, plan_needs
from tests.support.project import ROOT

REFERENCE, PSF = (201, 1024, 768), (34, 64, 64)


def test_by_the_model_eight_cores_keep_an_h100_busy() -> None:
    """10 iterations, uint16: what the GPU does is a model, what the cores do was measured."""
    needs = plan_needs(REFERENCE, PSF, "gpu", "none", iterations=10, dtype="uint16")
    slots = choose_slots(needs, 8, 597)
    busy = slots * needs.gpu_seconds / needs.estimate_round(8, slots)
    assert busy >= 0.8


@pytest.mark.parametrize("dtype", ["float32", "uint16"])
def test_core_seconds_beside_a_gpu_are_those_of_the_benchmark(dtype: str) -> None:
    text = (ROOT / "benchmarks" / "results" / "beside_gpu.md").read_text()
    section = text[text.index(f"| {dtype} results") :]
    median, least = map(float, re.findall(r"all beside the GPU \| ([\d.]+) \| ([\d.]+)", section)[0])
    assert 0.95 * least <= BESIDE_GPU[dtype] * math.prod(REFERENCE) <= 1.1 * median


def test_the_model_is_bytes_by_bandwidth() -> None:
    """By hand: 35 arrays of the cyclic size and 2 of the image's, 11 times, at 85 % of 3350 GB/s."""
    method = Method(10, "extended")
    cyclic, image = 240 * 1120 * 840, math.prod(REFERENCE)
    seconds = 11 * 4 * (35 * cyclic + 2 * image) / (0.85 * 3350e9)
    assert gpu_model.estimate_seconds(REFERENCE, PSF, method) == pytest.approx(seconds, rel=0.02)
    slow = gpu_model.estimate_seconds(REFERENCE, PSF, method, "V100 (900 GB/s)")
    assert slow == pytest.approx(seconds * 3350 / 900, rel=0.02)


def test_iterations_that_nobody_knows_yet_are_few() -> None:
    few, auto, many = (
        plan_needs(REFERENCE, PSF, "gpu", "none", iterations=number, dtype="uint16").gpu_seconds
        for number in (10, "auto", 50)
    )
    assert few == auto < many


@pytest.mark.parametrize(("iterations", "shares"), [(10, True), (100, True), (500, False), ("auto", True)])
def test_a_volume_that_one_core_would_take_long_for_gets_all_of_them(iterations: int | str, shares: bool) -> None:
    """Else a worker's walltime might be too short for any."""
    needs = plan_needs(REFERENCE, PSF, "cpu", "none", iterations=iterations)
    assert (needs.most_volumes > 1) == shares


@pytest.mark.parametrize("engine", ["cpu", "cpu-sweeps", "gpu", "itk", "skimage"])
def test_one_volume_in_hand_needs_what_is_estimated_for_it(engine: str) -> None:
    needs = plan_needs(REFERENCE, PSF, engine, "none")
    assert needs.count_bytes(1) == estimate_memory(REFERENCE, PSF, engine, "none")
    assert (needs.most_volumes > 1) == (engine in ("cpu", "gpu")), (
        "others work in a process of their own, or were not tried"
    )
