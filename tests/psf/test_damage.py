"""What is told of beads that are not as they should be, and that nothing is told of good ones."""

import numpy as np
import pytest
from scipy import ndimage

from lightsheet.psf.centre import find_core
from lightsheet.psf.damage import find_damage
from lightsheet.psf.isolation import isolate_psf
from lightsheet.psf.preparation import prepare_psf, prepare_psf_file
from lightsheet.simulation import optics, scene
from tests.support.families import parametrize
from tests.support.point_images import COARSE, FINE, centred, gaussian, measured
from tests.support.reference_data import DATA

UNIT = {"z": 1, "y": 1, "x": 1}


def find(image, voxel_size=FINE, background="auto"):
    isolated = isolate_psf(image, background)
    damage = find_damage(image, isolated, find_core(isolated), voxel_size, background)
    return {entry["kind"]: entry["value"] for entry in damage}


def noisy(light):
    rng = np.random.default_rng(0)
    return np.rint(rng.poisson(light) + rng.normal(104, 5, light.shape)).astype(np.uint16)


def slanted(shift, shape, sigma):
    """A bead that moves along x by so many voxels from plane to plane."""
    z, y, x = (axis - n // 2 for axis, n in zip(np.indices(shape, float), shape, strict=True))
    return 2000 * np.exp(-((z / sigma[0]) ** 2 + (y / sigma[1]) ** 2 + ((x - shift * z) / sigma[2]) ** 2) / 2)


def skew(image, fill):
    """Move each plane one voxel further, as deskewing does."""
    z, y, x = image.shape
    result = np.full((z, y, x + z - 1), fill, image.dtype)
    for number, plane in enumerate(image):
        result[number, :, number : number + x] = plane
    return result


# Nothing wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", scene.CHANNELS)
@parametrize("shape", [(31, 20, 20), (101, 64, 64)])
def test_nothing_is_told_of_a_simulated_bead(channel, shape):
    assert find(optics.simulate_measured_psf(channel, shape, COARSE, np.random.default_rng(0)), COARSE) == {}


@parametrize(
    ("name", "size", "kinds"),
    [
        ("llsm_psf_janelia/mbPSF_560_NAp5nap42_z100nm.tif", (0.1, 0.102, 0.102), set()),
        ("llsm_psf_janelia/wideFieldPSF_560_z100nm.tif", (0.1, 0.102, 0.102), set()),
        ("confocal_bia/psf_45cube_offcentre.tif", (0.125, 0.0225, 0.0225), set()),
        ("bars_flowdec/bars-25pct_kernel.tif", (0.1, 0.1, 0.1), set()),
        ("rlf/PSF_RFI_8bit.tif", (0.3, 0.1, 0.1), {"cut", "offset"}),  # it reaches the border, at 7 % of its peak
        ("confocal_bia/Bead_Image1_crop.tif", (0.125, 0.0225, 0.0225), {"second"}),  # there are four
    ],
)
def test_of_real_psfs_no_more_is_told_than_is_true(name, size, kinds):
    if not (DATA / name).exists():
        pytest.skip(f"{DATA / name} is absent: set LIGHTSHEET_DATA")
    voxel_size = dict(zip("zyx", size, strict=True))
    facts = prepare_psf_file(DATA / name, voxel_size, voxel_size)[1]
    assert {damage["kind"] for damage in facts["warnings"]} == kinds
    assert facts["fill"] is None


def test_what_is_left_out_of_a_psf_anyway_is_not_told():
    image, _ = measured()
    image[80, 50, 10] = 60000
    image[:, 60, 3] += 1500
    image[:2] += 12
    assert find(image) == {}


def test_side_lobes_of_a_lattice_are_no_second_bead():
    shape = (101, 64, 64)
    lobes = sum(gaussian(shape, (z, 32, 32), FINE, (0.2, 0.15, 0.15)) for z in (37, 63))
    assert find(noisy(2000 * (centred(shape, FINE, (0.25, 0.15, 0.15)) + 0.4 * lobes))) == {}


@pytest.mark.parametrize("middle", [15, 15.5])
def test_of_a_computed_psf_that_was_scaled_to_eight_bits_nothing_is_told(middle):
    light = 255 * gaussian((32, 32, 32), (middle,) * 3, UNIT, (3, 1.2, 1.2))
    assert find(np.rint(light).astype(np.uint8), UNIT) == {}
    assert find(light, UNIT) == {}


# Damage --------------------------------------------------------------------------------------------------------


@parametrize(("limit", "voxels"), [(1200, 62), (1500, 30)])
def test_a_plateau_is_saturation(limit, voxels):
    image, _ = measured()
    assert find(np.minimum(image, limit).astype(image.dtype)) == {"saturation": pytest.approx(voxels, rel=0.3)}


def test_a_second_bead_is_found():
    image, _ = measured()
    image += np.rint(1500 * gaussian(image.shape, (90, 55, 10), FINE)).astype(np.uint16)
    assert find(image) == {"second": pytest.approx(0.73, abs=0.05)}


@parametrize("part", [np.s_[:, :, :34], np.s_[:, 30:], np.s_[40:60]])
def test_cut_off_at_the_border(part):
    image, _ = measured()
    assert 0.2 < find(image[part])["cut"] < 1


def test_tilt_and_what_looks_like_a_raw_stage_scan():
    assert find(noisy(slanted(0.05, (61, 41, 41), (3.8, 1.5, 1.5)))) == {}
    # atan(0.2 x 0.104 / 0.1) is 12 degrees; the width in the plane turns the long axis a little further.
    assert find(noisy(slanted(0.2, (61, 41, 61), (3.8, 1.5, 1.5)))) == {"tilt": pytest.approx(14, abs=2)}
    for shift in (1.64, -3.3):  # pixels of 0.104 um, planes of 0.4 um along a stage at 31.8 degrees, and half of that
        scanned = noisy(slanted(shift, (31, 41, 161), (2, 1.5, 1.5)))
        assert find(scanned, {**FINE, "z": 0.21}) == {"scan": pytest.approx(shift, rel=0.05)}


def test_axes_in_another_order_are_told_as_a_tilt():
    image, _ = measured()
    assert find(np.swapaxes(image, 0, 1), dict.fromkeys("zyx", 0.1)) == {"tilt": pytest.approx(90, abs=1)}


@pytest.mark.slow
def test_offset_that_is_uncertain_or_contradicts_the_image():
    image, _ = measured()
    assert find(image, background=0)["offset"] == pytest.approx(104 / 2000, rel=0.1)
    assert find(image, background=104) == {}
    slope = np.rint(np.linspace(0, 150, image.shape[2])).astype(np.uint16)
    assert find(image + slope)["offset"] > 0.05


def test_a_bead_of_few_photons_is_dim():
    light = centred((61, 41, 41), FINE)
    assert find(noisy(40 * light)) == {"dim": pytest.approx(9, abs=3)}
    assert find(noisy(200 * light)) == {}


# Fill ----------------------------------------------------------------------------------------------------------


def bead():
    image = 100 + 3000 * centred((21, 15, 15), UNIT, (2.0, 1.4, 1.4))
    return np.rint(image + np.random.default_rng(3).normal(0, 2, image.shape)).astype(np.uint16)


@pytest.mark.parametrize("fill", [0, 100, 65535])
def test_fill_is_no_background(fill):
    isolated = isolate_psf(skew(bead(), fill), "auto")
    assert isolated.fill == fill
    assert isolated.offset == pytest.approx(100, abs=0.3)
    assert isolated.noise == pytest.approx(2, abs=0.3)
    # It was deskewed, so that it is not told to be a raw scan.
    assert set(find(skew(bead(), fill), UNIT)) == {"tilt"}


def test_fill_changes_nothing():
    """Deskewed with 0 in the corners, or with the camera's offset: the same PSF."""
    zero, offset = (prepare_psf(skew(bead(), fill), UNIT, UNIT) for fill in (0, 100))
    assert zero.shape == offset.shape
    # Measured voxels beside the fill that are 100 by chance count as fill.
    assert np.linalg.norm(zero - offset) < 1e-2 * np.linalg.norm(offset)


@pytest.mark.parametrize("shift", [0.6, 1.64])
def test_fill_beside_which_interpolation_mixed_it_with_the_background(shift):
    size = (21, 15, 15 + int(21 * shift))
    padded = np.pad(bead().astype(float), ((0, 0), (0, 0), (0, size[2] - 15)))
    deskewed = np.stack([ndimage.shift(plane, (0, shift * z), order=1) for z, plane in enumerate(padded)])
    isolated = isolate_psf(deskewed.round().astype(np.uint16), "auto")
    assert isolated.fill == 0
    assert isolated.offset == pytest.approx(100, abs=0.5)


def test_what_surrounds_a_computed_psf_is_no_fill():
    rounded = np.rint(100 + 3000 * centred((21, 15, 15), UNIT, (2.0, 1.4, 1.4))).astype(np.uint16)
    for image in (rounded, rounded - np.uint16(100), (bead() - 104.0).clip(0), centred((31, 31, 31), UNIT)):
        assert isolate_psf(image, "auto").fill is None
