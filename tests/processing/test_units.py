"""Which lengths cannot be right."""

import numpy as np
import pytest

from lightsheet.processing.units import judge_psf, judge_units
from lightsheet.psf.measure import measure_fwhm
from lightsheet.psf.preparation import prepare_psf
from lightsheet.simulation import optics, scene

LATTICE = {"z": 0.3, "y": 0.104, "x": 0.104}


@pytest.mark.parametrize(
    "voxel_size",
    [
        LATTICE,
        {"z": 0.05, "y": 0.16, "x": 0.16},
        {"z": 5, "y": 0.65, "x": 0.65},
        {"z": 10, "y": 5.26, "x": 5.26},
        {"z": 0.03, "y": 0.012, "x": 0.012},
        {"z": 0.2, "y": 0.2, "x": 0.28},
    ],
)
def test_voxel_sizes_of_microscopes_are_not_suspect(voxel_size: dict[str, float]) -> None:
    assert judge_units(voxel_size, voxel_size, 40) == []
    assert judge_units(voxel_size, {**voxel_size, "z": voxel_size["z"] / 5}) == []
    assert judge_units(voxel_size, None) == []


@pytest.mark.parametrize(
    ("voxel_size", "words"),
    [
        ({"z": 300, "y": 104, "x": 104}, "voxel_size.z is 300 um"),
        ({"z": 3e-4, "y": 1.04e-4, "x": 1.04e-4}, "voxel_size.x is 0.000104 um"),
        ({"z": 0.3, "y": 0.104, "x": 100}, "voxel_size.x is 100 um"),
        ({"z": 0.01, "y": 0.104, "x": 0.104}, "much finer than the pixels"),
        ({"z": 20, "y": 0.1, "x": 0.1}, "200 times the pixels"),
        ({"z": 1, "y": 1, "x": 0.1}, "pixels are nearly square"),
    ],
)
def test_a_voxel_size_that_cannot_be_right_is_told_with_its_key(voxel_size: dict[str, float], words: str) -> None:
    assert words in " ".join(doubt.text for doubt in judge_units(voxel_size))


def test_the_voxel_size_of_a_psf_is_judged_likewise() -> None:
    (wrong, unequal, *_) = judge_units(LATTICE, {"z": 100, "y": 0.104, "x": 0.104})
    assert "psf.voxel_size.z is 100 um" in wrong.text
    assert "psf.voxel_size.z is 333.3 times voxel_size.z" in unequal.text


def test_pixels_of_a_psf_and_of_images_are_alike() -> None:
    assert any("psf.voxel_size.x is 10 times voxel_size.x" in d.text for d in judge_units(LATTICE, {"x": 1.04}))


def test_many_iterations_are_told() -> None:
    assert judge_units(LATTICE, LATTICE, 500) == []
    assert [doubt.kind for doubt in judge_units(LATTICE, LATTICE, 1000)] == ["iterations"]


def widths(psf_voxel_size: dict[str, float]) -> dict[str, dict[str, float]]:
    """Prepare a simulated PSF as if its voxels had some size, and measure its widths in micrometre."""
    image = optics.simulate_measured_psf(scene.CHANNELS[0], (61, 32, 32), LATTICE, np.random.default_rng(0))
    return {"fwhm_um": measure_fwhm(prepare_psf(image, psf_voxel_size, LATTICE), LATTICE)}


def test_a_psf_belongs_to_its_volumes() -> None:
    facts = widths({"z": 0.1, "y": 0.104, "x": 0.104})
    for shape in ((101, 512, 512), (40, 160, 128), (1, 200, 200), (4, 9, 9)):
        assert judge_psf(facts, shape, LATTICE) == []
    assert judge_psf({}, (40, 160, 128), LATTICE) == [], "of an earlier version"


@pytest.mark.parametrize(
    ("factor", "words"), [(1000, "um wide along"), (12, "um wide along"), (0.05, "is a single voxel")]
)
def test_a_psf_of_wrong_units_is_told(factor: float, words: str) -> None:
    widths_um = {axis: factor * width for axis, width in widths({"z": 0.1, "y": 0.104, "x": 0.104})["fwhm_um"].items()}
    widths_um = {axis: max(width, LATTICE[axis]) for axis, width in widths_um.items()}
    (doubt,) = judge_psf({"fwhm_um": widths_um}, (40, 160, 128), LATTICE)
    assert words in doubt.text
    assert "psf.voxel_size" in doubt.text
