"""PSFs of stage scans, against ones drawn on the scan's lattice from its formula."""

import math

import numpy as np
import pytest

from lightsheet.psf import prepare_psf, straighten_psf
from lightsheet.psf.centre import find_core
from lightsheet.psf.damage import find_damage
from lightsheet.psf.isolation import isolate_psf
from lightsheet.psf.straight import read_scan
from lightsheet.system import InputError
from tests.support.families import parametrize

SIGMA = (0.35, 0.14, 0.12)  # micrometre
PIXEL = {"y": 0.1, "x": 0.1}
IMAGES = {"angle": 31.8, "step": 0.4, "axis": "x", "direction": 1}


def voxels(scan, pixel=PIXEL):
    return {"z": scan["step"] * math.sin(math.radians(scan["angle"])), **pixel}


def draw(shape, centre, scan, voxel_size, sigma=SIGMA):
    """The image of a point on the lattice of a scan; of a straight one if that is None."""
    place = [(n - c) * voxel_size[axis] for n, c, axis in zip(np.indices(shape, float), centre, "zyx", strict=True)]
    if scan:
        along = "zyx".index(scan["axis"])
        move = scan["step"] * math.cos(math.radians(scan["angle"]))
        place[along] += scan["direction"] * move * (np.arange(shape[0]) - centre[0]).reshape(-1, 1, 1)
    return np.exp(-0.5 * sum((p / s) ** 2 for p, s in zip(place, sigma, strict=True)))


def expose(light, peak=20_000, noise=3):
    rng = np.random.default_rng(0)
    return np.rint(rng.poisson(peak * light) + rng.normal(104, noise, light.shape)).astype(np.uint16)


def assert_is_that_of_the_scan(psf, scan, voxel_size, tolerance):
    truth = draw(psf.shape, [n // 2 for n in psf.shape], scan, voxel_size)
    truth /= truth.sum()
    assert np.linalg.norm(psf - truth) < tolerance * np.linalg.norm(truth)
    grid = np.indices(psf.shape).reshape(3, -1)
    centre, expected = (grid @ volume.ravel() / volume.sum() for volume in (psf, truth))
    np.testing.assert_allclose(centre, expected, atol=0.1)


@parametrize(
    ("images", "bead", "pixel"),
    [
        (IMAGES, None, PIXEL),
        (IMAGES, {**IMAGES, "step": 0.1}, PIXEL),
        (IMAGES, IMAGES, PIXEL),
        ({"angle": 31.5, "step": 0.3, "axis": "y", "direction": -1}, None, {"y": 0.1, "x": 0.13}),
        ({"angle": 45.0, "step": 0.25, "axis": "x", "direction": -1}, {**IMAGES, "step": 0.2, "axis": "y"}, PIXEL),
        (None, {**IMAGES, "step": 0.2}, PIXEL),
    ],
)
def test_it_is_the_psf_that_the_scan_sees(images, bead, pixel):
    """To 2 %: shot noise and the rim lost in it are 1.5 %; a low-pass along z after the shear costs 18 to 33 %."""
    bead_voxels = voxels(bead) if bead else {"z": 0.1, **PIXEL}
    voxel_size = voxels(images, pixel) if images else {"z": 0.25, **PIXEL}
    shape = (round(5 / bead_voxels["z"]), *((96, 40) if bead and bead["axis"] == "y" else (41, 96)))
    centre = [n / 2 + part for n, part in zip(shape, (1.7, -2.4, 3.3), strict=True)]
    image = expose(draw(shape, centre, bead, bead_voxels))
    psf = prepare_psf(image, bead_voxels, voxel_size, scan=images, psf_scan=bead)
    assert psf.dtype == np.float32
    assert all(n % 2 for n in psf.shape)
    assert psf.min() >= 0
    assert psf.sum(dtype=np.float64) == pytest.approx(1, abs=1e-6)
    assert_is_that_of_the_scan(psf, images, voxel_size, 0.02)


@parametrize("axis", ["x", "y"])
def test_channels_whose_beads_lay_and_were_scanned_differently_agree(axis):
    images = {**IMAGES, "axis": axis, "direction": -1}
    scanned = {**images, "step": 0.15}
    recorded = [
        (expose(draw((61, 81, 80), (27.3, 39.6, 43.2), scanned, voxels(scanned))), voxels(scanned), scanned),
        (expose(draw((51, 41, 40), (26.8, 18.1, 21.5), None, {"z": 0.1, **PIXEL})), {"z": 0.1, **PIXEL}, None),
    ]
    for image, size, bead in recorded:
        psf = prepare_psf(image, size, voxels(images), scan=images, psf_scan=bead)
        assert_is_that_of_the_scan(psf, images, voxels(images), 0.02)


def test_it_is_shown_straight():
    image = draw((51, 41, 41), (25, 20, 20), None, {"z": 0.1, **PIXEL})
    psf = prepare_psf(image, {"z": 0.1, **PIXEL}, voxels(IMAGES), 0, scan=IMAGES)
    straight = straighten_psf(psf, IMAGES, voxels(IMAGES))
    assert straight.shape[2] < psf.shape[2] / 2
    truth = draw(straight.shape, [n // 2 for n in straight.shape], None, voxels(IMAGES))
    np.testing.assert_allclose(straight / straight.max(), truth, atol=5e-3)
    assert straighten_psf(psf, None, voxels(IMAGES)) is psf


@pytest.mark.slow
def test_nothing_is_told_of_a_good_bead_and_what_is_told_lies_in_its_image():
    bead = {**IMAGES, "step": 0.2}
    size = voxels(bead)
    light = draw((48, 41, 96), (24, 20, 48), bead, size)

    def find(image):
        isolated = isolate_psf(image, "auto", read_scan(bead, size))
        damage = find_damage(image, isolated, find_core(isolated), size, "auto")
        return {entry["kind"]: entry for entry in damage}, isolated

    image = expose(light, 2000)
    damage, isolated = find(image)
    assert damage == {}
    assert isolated.peak_in_image == pytest.approx((24, 20, 48), abs=1)
    second = find(expose(light + 0.5 * draw(light.shape, (36, 33, 15), bead, size), 2000))[0]
    assert second.keys() == {"second"}
    assert "(36, 33, 15)" in second["second"]["text"]
    assert find(np.minimum(image, 1200))[0].keys() == {"saturation"}
    assert 0.2 < find(image[:, :, 47:])[0]["cut"]["value"] < 1


@parametrize("step", [0.1, 0.4])
@pytest.mark.parametrize("direction", [1, -1])
def test_a_scanned_bead_that_passes_for_straight_is_refused(step, direction):
    bead = {**IMAGES, "step": step, "direction": direction}
    shape = (round(5 / voxels(bead)["z"]), 31, 96)
    image = expose(draw(shape, [n // 2 for n in shape], bead, voxels(bead)))
    for size in (voxels(bead), {**voxels(bead), "z": step}):  # as a user may have taken the step for the distance
        with pytest.raises(InputError, match=rf"raw stage scan.* step: {step}, direction: {direction}}}"):
            prepare_psf(image, size, voxels(IMAGES), scan=IMAGES)
    assert prepare_psf(image, voxels(bead), {"z": 0.3, **PIXEL}) is not None  # of straight images, a warning alone


@parametrize("wrong", ["straight", {"direction": -1}, {"axis": "y"}, {"step": 0.4}, {"step": 0.1}])
def test_a_bead_that_was_not_scanned_so_is_refused(wrong):
    bead = {**IMAGES, "step": 0.2}
    is_straight = wrong == "straight"
    image = expose(draw((48, 71, 96), (24, 35, 48), None if is_straight else bead, voxels(bead)))
    settings = bead if is_straight else {**bead, **wrong}
    with pytest.raises(InputError, match=r"straightened as psf\.scan says, this bead still moves"):
        prepare_psf(image, voxels(settings), voxels(IMAGES), scan=IMAGES, psf_scan=settings)
