"""Which volumes are suspect by themselves, judged by what a run records of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from scipy import signal

from lightsheet.processing import sanity
from lightsheet.processing.deconvolve import deconvolve_pixels
from lightsheet.processing.statistics import measure_rounding, summarise_volume
from lightsheet.simulation.simulate import simulate_volume
from tests.support.families import parametrize

SHAPE = (12, 48, 40)
PSF = np.zeros((5, 5, 5), np.float32)
PSF[1:4, 1:4, 1:4], PSF[2, 2, 2] = 1, 2
PSF /= PSF.sum()


def expose(scene: np.ndarray, offset: float = 100, noise: float = 1.6) -> np.ndarray:
    """Take an image of photons, with the offset and the read noise of a camera."""
    rng = np.random.default_rng(3)
    return np.rint(rng.poisson(scene) + offset + rng.normal(0, noise, scene.shape)).clip(0, 65535).astype(np.uint16)


def draw_beads(number: int = 6, photons: float = 400) -> np.ndarray:
    scene, rng = np.zeros(SHAPE), np.random.default_rng(5)
    for _ in range(number):
        z, y, x = (int(rng.integers(1, n - 1)) for n in SHAPE)
        scene[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2] += photons
    return scene


def judge(image: np.ndarray, background: float | str = "auto", dtype: str = "float32", scale: float = 1) -> list[str]:
    """Deconvolve an image, and return the kinds of doubts that its records raise."""
    settings: dict[str, Any] = {"iterations": 3, "engine": "cpu", "boundary": "extended", "acceleration": "none"}
    settings |= {"background": background, "dtype": dtype, "scale": scale}
    _, statistics = deconvolve_pixels(image, PSF, settings, 1)
    raw = {"statistics": summarise_volume(image), "layout": {"dtype": image.dtype.name}}
    doubts = sanity.judge_volume(raw, {"statistics": statistics, "settings": settings}, image.size)
    return [doubt.kind for doubt in doubts]


@parametrize("dtype", ["float32", "uint16"])
@parametrize("photons", [30, 300])
def test_a_simulated_acquisition_is_not_suspect(photons: float, dtype: str) -> None:
    _, image = simulate_volume(0, 0, (20, 64, 64), peak_photons=photons)
    assert judge(image, 100, dtype) == []
    assert judge(image, "auto", dtype) == []


def test_ordinary_volumes_are_not_suspect() -> None:
    dark, beads = expose(np.zeros(SHAPE)), expose(draw_beads())
    assert judge(dark, 100) == []
    assert judge(dark, 102) == [], "a background that is somewhat too high"
    assert judge(expose(np.full(SHAPE, 2.0))) == [], "dim"
    assert judge(beads, 100, "uint16") == [], "dark but for a few voxels"
    assert judge(beads[:1]) == [], "of one plane"
    assert judge(beads[:3, :3, :3]) == [], "of few voxels"
    assert judge((beads / beads.max()).astype(np.float32)) == []
    assert judge((beads / beads.max()).astype(np.float32), dtype="uint16", scale=10_000) == []
    assert judge((255.0 * beads / beads.max()).astype(np.uint8)) == []


def test_fill_is_not_taken_for_what_a_background_hides() -> None:
    image = expose(draw_beads())
    image[:, :, 8:] = 0
    below = float(np.count_nonzero(image < 102)) / image.size
    assert sanity.DARK_SHARE < below < sanity.DARK_SHARE_WITH_PLATEAU, "else this shows nothing"
    assert judge(image, 102) == []


@pytest.mark.parametrize(
    ("kind", "image", "settings"),
    [
        ("flat", np.full(SHAPE, 100, np.uint16), {}),
        ("flat", np.zeros(SHAPE, np.float32), {"dtype": "uint16"}),
        ("levels", (expose(draw_beads()) > 300).astype(np.uint8), {}),
        ("saturated", np.minimum(expose(draw_beads(200, 4000)), 4095).astype(np.uint16), {"background": 100}),
        ("dark", expose(draw_beads()), {"background": 1000}),
        ("dark", expose(draw_beads()), {"background": 110}),
        ("rounding", (expose(draw_beads()) / 700).astype(np.float32), {"dtype": "uint16"}),
        ("rounding", (expose(draw_beads()) / 700).astype(np.float32), {"dtype": "uint16", "scale": 4}),
        ("clipped", expose(draw_beads()), {"dtype": "uint16", "scale": 60_000}),
    ],
)
def test_a_suspect_volume_is_suspect(kind: str, image: np.ndarray, settings: dict[str, Any]) -> None:
    assert judge(image, **settings) == [kind]


def draw_psf(sheet: float) -> np.ndarray:
    """A widening cone of light, as a detection objective has it, in a light sheet of so many planes (sd)."""
    z, y, x = np.mgrid[-10:11, -10:11, -10:11]
    width = 1.2 * np.sqrt(1 + (z / 2.0) ** 2)
    psf = np.exp(-(y**2 + x**2) / 2 / width**2) / width**2 * np.exp(-(z**2) / 2 / sheet**2)
    return np.asarray(psf / psf.sum(), np.float32)


@parametrize("photons", [3, 40, 400])
def test_a_psf_without_the_light_sheet_is_suspect(photons: float) -> None:
    """As one computed from the objective alone is; in 3 photons the noise hides it."""
    truth = np.zeros((16, 64, 64), np.float32)
    for z, y, x in np.random.default_rng(4).integers((4, 12, 12), (12, 52, 52), (8, 3)):
        truth[z - 2 : z + 3, y - 4 : y + 5, x - 4 : x + 5] = 1
    image = expose(photons * signal.fftconvolve(truth, draw_psf(1.5), "same").clip(0))
    settings: dict[str, Any] = {"iterations": 10, "engine": "cpu", "boundary": "extended", "acceleration": "none"}
    settings |= {"background": 100, "dtype": "float32", "scale": 1}
    for sheet, is_suspect in ((1.5, False), (1e6, photons > 3)):
        _, statistics = deconvolve_pixels(image, draw_psf(sheet), settings, 1)
        assert [doubt.kind for doubt in sanity.judge_fit(statistics)] == ["fit"] * is_suspect


def test_one_bright_voxel_does_not_hide_what_rounding_does() -> None:
    image = (expose(draw_beads(40)) / 700).astype(np.float32)
    image[6, 20, 20] = 40
    assert judge(image, dtype="uint16") == ["rounding"]


def test_microscopes_that_count_photons_are_not_suspect(shared_data: Path) -> None:
    image = tifffile.imread(shared_data / "confocal_bia" / "DeconvolutionSampleVerticalGrid1AU-crop.tif")
    assert image.max() - image.min() == 7, "there are few grey levels"
    assert judge(image) == []


def test_an_empty_or_infinite_result_is_suspect() -> None:
    settings = {"dtype": "float32"}
    assert [d.kind for d in sanity.judge_result({"max": 0.0, "sum": 0.0}, settings, 9)] == ["empty"]
    assert [d.kind for d in sanity.judge_result({"max": 2.0, "sum": float("nan")}, settings, 9)] == ["empty"]
    assert sanity.judge_result({"max": 2.0, "sum": 4.0}, settings, 9) == []


def test_the_sentence_about_rounding_has_the_numbers_and_a_scale_that_helps() -> None:
    (doubt,) = sanity.judge_rounding("the result", 1.003, 1)
    assert "1.003, so rounding leaves 2 grey levels: set output.scale, e.g. to 10000" in doubt.text
    for high in (3e-5, 0.7, 1.003, 9, 40):
        assert sanity.judge_rounding("the result", high, sanity.advise_scale(high)) == []
        assert 6 * high * sanity.advise_scale(high) < 65536, "there is room for a result six times as bright"


def test_records_without_statistics_are_not_judged() -> None:
    """Of a missing volume, and of earlier versions."""
    assert sanity.judge_volume({"statistics": None}, {"statistics": None, "settings": {}}, 9) == []
    assert sanity.judge_volume({"statistics": {}}, {"statistics": {"sum": 3.0}, "settings": {}}, 9) == []


def test_rounding_is_measured_where_nothing_is_clipped() -> None:
    result = np.array([[[0.25, 1.0, 30_000]]], np.float32)
    stored = np.array([[[0, 4, 65535]]], np.uint16)
    limit = 65535 / 4
    assert measure_rounding(result, stored, 4) == pytest.approx(0.25 / np.sqrt(0.0625 + 1 + limit**2), rel=1e-3)
    assert measure_rounding(0 * result, 0 * stored, 4) == 0


def test_fill_of_the_largest_value_is_not_saturation() -> None:
    """What was never measured is among an image's statistics."""
    statistics = {"min": 90, "max": 65535, "percentiles": {"1": 95, "50": 100, "75": 65535, "99": 65535}}
    (doubt,) = sanity.judge_image(statistics, "uint16")
    assert doubt.kind == "saturated"
    assert sanity.judge_image(statistics, "uint16", [65535]) == []
