"""`background: auto`: one offset for a movie, told from light by its noise."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from lightsheet.deconvolution import find_measured
from lightsheet.processing.background import choose_background
from lightsheet.processing.channel_choices import resolve_background
from lightsheet.simulation import simulate_volume
from lightsheet.system import InputError
from tests.support.families import parametrize

Array = np.ndarray
SHAPE = (40, 128, 128)
OFFSET = 100.0


def expose(light: Array, seed: int = 0, offset: float = OFFSET, noise: float = 2.0) -> Array:
    """Count photons with a camera: their Poisson noise, read noise (electrons), a gain of 1."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(light) + rng.normal(offset, noise, light.shape)
    return np.clip(np.rint(counts), 0, 65535).astype(np.uint16)


def draw_ball(radius: float) -> Array:
    """Draw a ball of 100 photons a voxel in the middle of the field, whose corners are 99 away."""
    z, y, x = np.indices(SHAPE) - np.array([20, 64, 64])[:, None, None, None]
    ball = np.where(np.sqrt((2 * z) ** 2 + y**2 + x**2) < radius, 100.0, 0.0)
    return np.asarray(ndimage.gaussian_filter(ball, 2))


def draw_sparse(seed: int = 1) -> Array:
    """Draw points of some ten photons, far from each other."""
    rng = np.random.default_rng(seed)
    points = np.where(rng.random(SHAPE) < 1e-5, 60 * rng.random(SHAPE), 0)
    return np.asarray(30 * ndimage.gaussian_filter(points, (2, 1.5, 1.5)))


@parametrize(
    "radii",
    [(75, 110), (40, 60, 75, 85, 95, 110), (110, 95, 40), (0, 85, 110), (80, 80)],
    ids=["fills it at once", "grows", "shrinks", "appears", "stays"],
)
def test_a_sample_that_fills_the_field_is_not_subtracted(radii: tuple[int, ...]) -> None:
    movie = {t: expose(draw_ball(radius), t) for t, radius in enumerate(radii)}
    assert choose_background(movie)["value"] == pytest.approx(OFFSET, abs=1)


@parametrize("radii", [(110,), (90, 90), (88, 95, 110), (95, 95)])
def test_where_it_always_fills_the_field_a_number_is_asked_for(radii: tuple[int, ...]) -> None:
    chosen = choose_background({t: expose(draw_ball(radius), t) for t, radius in enumerate(radii)})
    choice = {"timepoints": list(range(len(radii))), "background": chosen}
    with pytest.raises(InputError, match=r"deconvolution\.background: red: .*even the darkest holds light.*give it in"):
        resolve_background("auto", "red", choice)
    assert resolve_background(100, "red", choice) == 100


@parametrize("channel", [0, 1, 2])
@parametrize("peak", [30, 1000])
def test_simulated_cells_hide_no_offset(channel: int, peak: float) -> None:
    _, image = simulate_volume(channel, 0, (32, 128, 128), peak_photons=peak)
    chosen = choose_background({0: image})
    assert chosen["value"] == pytest.approx(OFFSET, abs=1)
    assert not chosen["warning"]


def kill_pixels(image: Array) -> Array:
    """Let a column, a row and some pixels be dead, and others hot, as they are in a camera: in every plane."""
    rng = np.random.default_rng(2)
    image[:, :, 37] = image[:, 50] = 0
    image[:, rng.random(SHAPE[1:]) < 1e-3] = 0
    image[:, rng.random(SHAPE[1:]) < 1e-3] = 3000
    return image


CAMERAS: dict[str, tuple[Callable[[], Array], float]] = {
    "sCMOS": (lambda: expose(draw_sparse(), noise=3.5), 100),
    "noisy CCD": (lambda: expose(draw_sparse(), offset=200, noise=7), 200),
    "gain 2": (lambda: 2 * expose(draw_sparse(), offset=50, noise=1.5), 100),
    "offset 0, cut off": (lambda: expose(draw_sparse(), offset=0), 0),
    "8 bits": (lambda: expose(draw_sparse(), offset=5, noise=1).astype(np.uint8), 5),
    "floats": (lambda: (expose(draw_sparse()) / 100).astype(np.float32), 1),
    "nothing but darkness": (lambda: expose(np.zeros(SHAPE)), 100),
    "dead and hot pixels": (lambda: kill_pixels(expose(draw_sparse())), 100),
    "a plane": (lambda: expose(draw_sparse()[:1]), 100),
    "a voxel": (lambda: np.full((1, 1, 1), 7, np.uint16), 7),
    "a constant": (lambda: np.full((9, 90, 90), 7, np.uint16), 7),
    "less than a block": (lambda: expose(np.zeros((3, 5, 7)), noise=0.1), 100),
}


@parametrize("name", CAMERAS, quick=3)
def test_the_offset_of_each_camera_is_found(name: str) -> None:
    expose_image, offset = CAMERAS[name]
    chosen = choose_background({0: expose_image()})
    assert chosen["value"] == pytest.approx(offset, abs=0.01 if name == "floats" else 1)


def test_what_was_never_measured_is_no_darkness() -> None:
    image = expose(draw_sparse())
    for z, plane in enumerate(image):  # as after deskewing: each plane a bit further, 0 around it
        plane[:, : 2 * z], plane[:, 2 * z + 48 :] = 0, 0
    assert choose_background({0: image}, {0: find_measured(image, [0])})["value"] == pytest.approx(OFFSET, abs=1)


def erase(image: Array, *parts: tuple[slice, ...]) -> Array:
    for part in parts:
        image[part] = 0
    return image


BLANK: dict[str, tuple[slice, ...]] = {
    "a hole amid tiles": np.s_[:, 40:90, 30:80],
    "a strip": np.s_[:, :, -5:],
    "a corner": np.s_[:, :30, :],
}


@parametrize("name", list(BLANK))
def test_blank_parts_are_no_darkness_though_no_fill_is_known(name: str) -> None:
    movie = {t: expose(draw_sparse(t), t) for t in range(3)}
    erase(movie[1], BLANK[name])
    assert choose_background(movie)["value"] == pytest.approx(OFFSET, abs=0.2)
    assert choose_background({1: movie[1]})["value"] == pytest.approx(OFFSET, abs=0.2)


def test_darkness_that_was_cut_off_is_not_blank() -> None:
    image = expose(draw_ball(40)) - OFFSET
    for threshold in (8, 20, 40):
        assert choose_background({0: np.where(image < threshold, 0, image).astype(np.uint16)})["value"] == 0


def test_bright_fill_is_no_light() -> None:
    filled = expose(draw_ball(110))  # which fills the field, and stands out little
    filled[:, :, :40] = 65535
    assert choose_background({0: filled}, {0: find_measured(filled, [65535])})["value"] is None


def test_one_bad_frame_does_not_decide() -> None:
    movie = {t: expose(draw_sparse(t), t) for t in range(3)}
    for bad in (np.zeros(SHAPE, np.uint16), expose(np.zeros(SHAPE), offset=20)):
        assert choose_background({**movie, 1: bad})["value"] == pytest.approx(OFFSET, abs=0.1)


@pytest.mark.slow
def test_bleaching_is_no_drift_of_the_offset() -> None:
    chosen = choose_background({t: expose(draw_sparse() * np.exp(-t), t) for t in range(4)})
    assert chosen["value"] == pytest.approx(OFFSET, abs=0.1)
    assert not chosen["warning"]
    assert chosen["dark"] == [0, 1, 2, 3]


def test_a_drift_of_the_offset_is_told() -> None:
    chosen = choose_background({t: expose(draw_sparse(t), t, offset=100 + t) for t in (0, 2, 5)})
    assert chosen["value"] == pytest.approx(102, abs=0.1)
    assert chosen["warning"].startswith("the camera's offset seems to drift: 100 at timepoint 0, 102 at timepoint 2")
    assert chosen["timepoints"] == pytest.approx({"0": 100, "2": 102, "5": 105}, abs=0.1)


@parametrize("photons", [100, 3000])
def test_in_a_dense_sample_without_a_dark_part_a_number_is_asked_for(photons: float) -> None:
    rng = np.random.default_rng(4)
    dense = 60 * ndimage.gaussian_filter(photons * rng.random(SHAPE) * (rng.random(SHAPE) < 0.02), (2, 1.5, 1.5))
    assert choose_background({0: expose(dense, noise=3.5)})["value"] is None


@parametrize("dtype", ["uint16", "float32"])
@pytest.mark.parametrize("filter_size", [0.5, 1])
def test_noise_that_was_smoothed_or_interpolated_is_no_texture(filter_size: float, dtype: str) -> None:
    image = ndimage.gaussian_filter(expose(draw_sparse()).astype(float), filter_size)
    image = ndimage.shift(image, (0, 0.5, 0.5), order=1, mode="nearest")
    if dtype == "uint16":
        image = np.rint(image)
    assert choose_background({0: image.astype(dtype)})["value"] == pytest.approx(OFFSET, abs=1)
