"""The pilot always suggests iterations, of those that are tried, and says why."""

from itertools import islice
from typing import Any

import numpy as np
import pytest
from scipy.signal import fftconvolve

from lightsheet.deconvolution import Fit, Method, fourier
from lightsheet.deconvolution.backend import make_numpy_backend
from lightsheet.planning import suggestion as module
from lightsheet.planning.suggestion import choose_suggestion, find_suggestion
from lightsheet.simulation import CAMERA_OFFSET, CHANNELS, VOXEL_SIZE, model_image_psf, simulate_volume

SETTINGS = {"background": 100, "boundary": "extended", "acceleration": "heavy-ball"}
FALLING = [4.0 / (n + 1) for n in range(40)]
SHAPE = (8, 24, 24)
SPREAD = np.exp(-0.5 * ((np.indices((9, 9, 9)) - 4) ** 2).sum(axis=0) / 2)


def suggest(raw: np.ndarray, most: int = 40, **settings: Any) -> module.Suggestion:
    return find_suggestion(raw, SPREAD / SPREAD.sum(), {**SETTINGS, **settings}, 1, [1, most])


def test_fewest_expected_errors_are_suggested_within_what_was_tried() -> None:
    errors = [*np.linspace(5, 1, 17), *np.linspace(1.1, 2, 23)]
    suggestion = choose_suggestion(Fit(errors, 1000, 0.1, 2.0), 40)
    assert suggestion.iterations == suggestion.least_error == 21  # 1.25 (16 + 1)
    assert suggestion.knee == 16, "95 % of the way from 4.75 down to 1"
    assert not suggestion.falls_on
    assert "more than 21 iterations would fit noise; from 16 on the residual hardly falls" in suggestion.reason


def test_where_the_error_falls_to_the_last_a_spread_out_image_gets_the_most_and_few_points_the_knee() -> None:
    dense = choose_suggestion(Fit(FALLING, 1000, 0.02, 5.0), 40)
    assert (dense.iterations, dense.least_error, dense.falls_on) == (40, 40, True)
    assert "name more in pilot.iterations" in dense.reason
    assert choose_suggestion(Fit(FALLING, 1000, 0.001, 2.0), 40) == dense, "one small object, with nothing to narrow"
    sparse = choose_suggestion(Fit(FALLING, 1000, 0.001, 5.0), 40)
    assert sparse.iterations == sparse.knee == 20  # 4 / 21 - 0.1 is at most 0.05 (2 - 0.1)
    assert (sparse.least_error, sparse.falls_on) == (40, True)
    assert "more only narrows points" in sparse.reason


@pytest.mark.parametrize("photons", [10, 3000])
@pytest.mark.parametrize("most", [1, 2, 40])
def test_points_get_a_number_within_what_was_tried(photons: int, most: int) -> None:
    truth = np.zeros(SHAPE)
    truth[4, 12, 12] = truth[5, 7, 16] = photons * SPREAD.sum()
    blurred = fftconvolve(truth, SPREAD / SPREAD.sum(), mode="same").clip(0)
    suggestion = suggest((100 + np.random.default_rng(0).poisson(blurred + 1)).astype(np.uint16), most)
    assert 1 <= suggestion.knee <= suggestion.least_error <= most
    assert 1 <= suggestion.iterations <= most
    if photons == 3000 and most == 40:
        assert suggestion.iterations == suggestion.knee < 20
        assert "more only narrows points" in suggestion.reason


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (np.full(SHAPE, 90, np.uint16), "no voxel that was measured is brighter than the background"),
        (np.full(SHAPE, 140, np.uint16), "it is flat, or free of noise"),
        (np.full(SHAPE, 65535, np.uint16), "4608 voxels have the largest value, 65535"),
    ],
    ids=["empty", "flat", "saturated"],
)
def test_of_an_image_that_tells_nothing_one_iteration_is_suggested_with_the_reason(raw: np.ndarray, words: str) -> None:
    suggestion = suggest(raw)
    assert suggestion.iterations == 1
    assert words in suggestion.reason


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 3), (1, 1, 40)])
def test_of_a_tiny_volume_the_usual_number_is_suggested(shape: tuple[int, int, int]) -> None:
    suggestion = suggest(np.random.default_rng(0).poisson(140, shape).astype(np.uint16))
    assert suggestion.iterations == 10
    assert "so small that noise cannot be told from structure" in suggestion.reason


def test_what_was_never_measured_counts_as_nothing() -> None:
    raw = np.zeros(SHAPE, np.uint16)
    assert "no voxel that was measured" in suggest(raw, fill={"values": [0], "rim": 0}).reason
    raw[3, 4:8, 4:8] = 300
    assert "so small" in suggest(raw, fill={"values": [0], "rim": 0}).reason


def test_it_does_fewer_iterations_than_the_longest_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    measure = module.measure_fit

    def count(*arguments: Any, **options: Any) -> Fit:
        done.append(len((fit := measure(*arguments, **options)).errors))
        return fit

    monkeypatch.setattr(module, "measure_fit", count)
    suggest(np.random.default_rng(0).poisson(140, SHAPE).astype(np.uint16), 20)
    assert done == [17]


def test_the_part_is_smaller_where_iterations_on_it_would_take_longer_than_the_sweep() -> None:
    shape, psf = (64, 256, 256), (17, 31, 31)
    assert module.choose_part_shape(shape, psf, 0.5) == [32, 128, 128]
    small = module.choose_part_shape((32, 128, 128), psf, 0.3)
    assert 2**15 <= np.prod(small) <= 2**17
    assert module.choose_part_shape((16, 48, 48), psf, 0.1) == [16, 48, 48]


def test_of_simulated_cells_the_error_is_within_5_percent_of_the_least_of_those_tried() -> None:
    """The project's aim; benchmarks/suggestion.py has more images."""
    truth, raw = simulate_volume(2, 0, (16, 48, 48), peak_photons=30)
    psf, backend = model_image_psf(CHANNELS[2], VOXEL_SIZE), make_numpy_backend(1)
    suggestion = find_suggestion(raw, psf, {**SETTINGS, "background": CAMERA_OFFSET}, 1, [20])
    image, method = np.maximum(raw - np.float32(CAMERA_OFFSET), 0), Method(20, acceleration="heavy-ball")
    setup = fourier.prepare(image.shape, psf, method, backend)
    estimates = islice(fourier.iterate_estimates(image, setup, method, backend), 20)
    errors = [float(np.linalg.norm(estimate - truth)) for estimate in estimates]
    assert errors[suggestion.iterations - 1] < 1.05 * min(errors)
    assert errors[-1] > 1.1 * min(errors), "a bad number would show"
