import gzip
import hashlib
import json

import numpy as np
import pytest
import tifffile
from hypothesis import given, strategies as st

from lightsheet.psf import measure, preparation
from lightsheet.system.errors import InputError
from tests.support.families import parametrize
from tests.support.point_images import COARSE, FINE, FWHM, SIGMA, centred, embed, gaussian
from tests.support.reference_data import DATA


def shared(name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is absent: set LIGHTSHEET_DATA")
    return path


def assert_well_formed(result):
    assert result.dtype == np.float32
    assert all(n % 2 for n in result.shape)
    assert result.min() >= 0
    # float32 rounds each voxel to 6e-8 of itself, and so their sum.
    assert result.sum(dtype=np.float64) == pytest.approx(1, abs=1e-6)


# The method ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("planes", "step", "to"),
    [(101, 0.1, 0.3), (101, 0.1, 0.25), (64, 0.16, 0.16), (41, 0.25, 0.1), (40, 0.25, 0.17)],
)
def test_resampled_gaussian_is_the_gaussian_at_the_new_step(planes, step, to):
    fine, coarse = {**FINE, "z": step}, {**FINE, "z": to}
    result = preparation.prepare_psf(centred((planes, 40, 41), fine), fine, coarse)
    assert_well_formed(result)
    truth = centred(result.shape, coarse)
    # The Gaussian has 1e-3 of its spectrum at the coarsest Nyquist frequency, and the kernel ripples below 1 %.
    np.testing.assert_allclose(result / result.max(), truth, atol=0.01)
    # Half a percent of that, and the chord of linear interpolation lies below the curve: 3 % at 0.3 um.
    assert measure.measure_fwhm(result, coarse)["z"] == pytest.approx(FWHM * SIGMA[0], rel=0.03)
    assert measure.measure_fwhm(result, coarse)["y"] == pytest.approx(FWHM * SIGMA[1], rel=0.03)


def test_every_axis_is_resampled():
    step, to = {"z": 0.15, "y": 0.05, "x": 0.13}, {"z": 0.3, "y": 0.11, "x": 0.1}
    result = preparation.prepare_psf(centred((41, 61, 41), step), step, to)
    np.testing.assert_allclose(result / result.max(), centred(result.shape, to), atol=0.01)


def test_oscillation_beyond_the_new_nyquist_frequency_vanishes():
    clean = centred((101, 40, 40), FINE)
    z = (np.arange(101) - 50) * FINE["z"]
    wave = 1 + 0.5 * np.cos(2 * np.pi * z / 0.25)  # 4 periods a micrometre; at 0.3 um only 1.7 can be told
    ripple = clean * wave[:, None, None]
    plain, decimated = clean[2::3], ripple[2::3]
    assert np.abs(decimated / decimated.max() - plain / plain.max()).max() > 0.1  # it is a test of something
    expected = preparation.prepare_psf(clean, FINE, COARSE)
    result = embed(preparation.prepare_psf(ripple, FINE, COARSE), (101, 61, 61))
    # The windowed sinc lets 2e-4 of such a wave through (tried: 1e-4 of the peak); a box would let 15 %.
    np.testing.assert_allclose(result, embed(expected, (101, 61, 61)), atol=1e-3 * expected.max())


def test_equal_voxel_size_keeps_the_values():
    kernel = tifffile.imread(shared("bars_flowdec/bars-25pct_kernel.tif"), key=slice(None)).astype(np.float64)
    result = preparation.prepare_psf(kernel, FINE, FINE)
    reach = [n // 2 for n in result.shape]
    padded = np.pad(kernel, 16)[
        tuple(slice(16 + c - r, 16 + c + r + 1) for c, r in zip((16, 32, 32), reach, strict=True))
    ]
    np.testing.assert_allclose(result, padded / padded.sum(), rtol=1e-6, atol=1e-12)  # float32


@pytest.mark.parametrize("centre", [(50, 20, 20), (35, 14, 25), (61, 22, 15)])
def test_position_of_the_peak_does_not_matter(centre):
    expected = embed(preparation.prepare_psf(centred((101, 41, 41), FINE), FINE, COARSE), (61, 61, 61))
    result = embed(preparation.prepare_psf(gaussian((101, 41, 41), centre, FINE), FINE, COARSE), (61, 61, 61))
    # All of the Gaussian but 1e-3 of its height at the nearest face lies within the image each time.
    np.testing.assert_allclose(result, expected, atol=1e-3 * expected.max())


def test_constant_offset_changes_nothing():
    image = np.rint(2000 * centred((61, 41, 41), FINE)).astype(np.uint16)
    expected = preparation.prepare_psf(image, FINE, COARSE)
    np.testing.assert_array_equal(preparation.prepare_psf(image + np.uint16(104), FINE, COARSE), expected)
    np.testing.assert_array_equal(
        preparation.prepare_psf(image + np.uint16(104), FINE, COARSE, background=104), expected
    )
    assert preparation.prepare_psf(image + np.uint16(104), FINE, COARSE, background=0).shape > expected.shape


def test_scale_changes_nothing():
    image = centred((61, 41, 41), FINE)
    expected = preparation.prepare_psf(image, FINE, COARSE)
    np.testing.assert_allclose(preparation.prepare_psf(image * 1e-6, FINE, COARSE), expected, rtol=1e-6, atol=1e-12)


def test_result_is_the_same_every_time():
    image = np.random.default_rng(0).poisson(100 + 500 * centred((40, 30, 30), FINE))
    assert measure.digest_psf(preparation.prepare_psf(image, FINE, COARSE)) == measure.digest_psf(
        preparation.prepare_psf(image, FINE, COARSE)
    )


@given(st.data())
def test_result_is_odd_centred_and_sums_to_one(data):
    shape = data.draw(st.tuples(*[st.integers(9, 24)] * 3))
    centre = [data.draw(st.integers(3, n - 4)) for n in shape]
    dtype = data.draw(st.sampled_from(["u1", "i2", "u2", ">u2", "i4", "u8", "f2", "f4", ">f8"]))
    offset = data.draw(st.integers(0, 100))
    step = dict(zip("zyx", data.draw(st.tuples(*[st.floats(0.05, 0.5)] * 3)), strict=True))
    to = dict(zip("zyx", data.draw(st.tuples(*[st.floats(0.05, 0.5)] * 3)), strict=True))
    width = data.draw(st.floats(0.8, 1.5))
    spot = gaussian(shape, centre, {"z": 1, "y": 1, "x": 1}, (width,) * 3)
    result = preparation.prepare_psf(np.rint(offset + 150 * spot).astype(dtype), step, to)
    assert_well_formed(result)
    assert np.unravel_index(result.argmax(), result.shape) == tuple(n // 2 for n in result.shape)


def test_crop_keeps_the_energy_it_promises():
    image = centred((101, 81, 81), FINE)
    result = preparation.prepare_psf(image, FINE, FINE)
    inside = embed(np.ones(result.shape), (101, 81, 81)).astype(bool)
    share = image[~inside].sum() / image.sum()
    assert 0 < share < preparation.CROP
    # A Gaussian holds all but CROP / 3 = 3.3e-5 within 4.15 standard deviations; one more voxel at most.
    assert result.shape[0] <= 2 * np.ceil(4.15 * SIGMA[0] / FINE["z"]) + 1


# Refusals ---------------------------------------------------------------------------------------------------

SPOT = centred((11, 11, 11), {"z": 1, "y": 1, "x": 1}, (1.5, 1.5, 1.5))


def changed(value):
    image = SPOT.copy()
    image[0, 1, 2] = value
    return image


@pytest.mark.parametrize(
    ("image", "background", "says"),
    [
        (changed(np.nan), "auto", "1 values of 1331 that are NaN or infinite"),
        (changed(-np.inf), "auto", "NaN or infinite"),
        (np.empty((0, 5, 5)), "auto", "is empty"),
        (np.full((9, 9, 9), 104, np.uint16), "auto", "is flat, every voxel is 104"),
        (SPOT, 7, "stands out of its background of 7"),
        (-SPOT, "auto", "stands out of its background"),
        (np.random.default_rng(0).normal(100, 5, (20, 20, 20)), "auto", "stands out of its background"),
        (SPOT[5:], "auto", "on the border, at (0, 5, 5) of (6, 11, 11)"),
        (SPOT[:, :6], "auto", "on the border, at (5, 5, 5)"),
        (SPOT[5:6], "auto", "on the border"),
        (SPOT[5], "auto", "is 2-D"),
    ],
)
def test_unusable_image_is_refused_in_one_sentence(image, background, says):
    with pytest.raises(InputError) as refusal:
        preparation.prepare_psf(image, FINE, COARSE, background, source="psf/488.tif")
    message = str(refusal.value)
    assert message.startswith("psf/488.tif: ")
    assert says in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("of_psf", "of_image", "says"),
    [
        (None, COARSE, "psf.voxel_size.z is missing"),
        ({"z": 0.1, "x": 0.1}, COARSE, "psf.voxel_size.y is missing"),
        ({**FINE, "x": 0}, COARSE, "psf.voxel_size.x is 0"),
        ({**FINE, "x": float("nan")}, COARSE, "psf.voxel_size.x is nan"),
        (FINE, {**COARSE, "z": -0.3}, "voxel_size.z is -0.3"),
        (FINE, {**COARSE, "z": "0.3 um"}, "voxel_size.z is 0.3 um"),
        (FINE, {**COARSE, "y": float("inf")}, "voxel_size.y is inf"),
    ],
)
def test_unusable_voxel_size_is_refused(of_psf, of_image, says):
    with pytest.raises(InputError, match=rf"^psf\.tif: {says}; give .* in micrometre$"):
        preparation.prepare_psf(SPOT, of_psf, of_image, source="psf.tif")


def test_a_psf_in_another_unit_is_refused_before_it_fills_the_memory():
    with pytest.raises(InputError, match=r"^psf\.tif: psf\.voxel_size\.z is 1000 times voxel_size\.z, .* micrometre$"):
        preparation.prepare_psf(SPOT, dict.fromkeys("zyx", 100.0), dict.fromkeys("zyx", 0.1), source="psf.tif")


def test_published_nan_psf_is_refused(tmp_path):
    path = tmp_path / "nan.tif"
    packed = shared("confocal_bia/psf_all_NaN_broken_upstream.tif.gz")
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    with pytest.raises(InputError, match=r"nan\.tif: this PSF holds (\d+) values of \1 that are NaN"):
        preparation.prepare_psf_file(path, FINE, FINE)


# Measured PSFs ----------------------------------------------------------------------------------------------


@parametrize(
    ("name", "offset", "peak"),
    [
        ("llsm_psf_janelia/mbPSF_560_NAp5nap42_z100nm.tif", 104, (48, 32, 33)),
        ("llsm_psf_janelia/wideFieldPSF_560_z100nm.tif", 126, (50, 33, 33)),
        ("confocal_bia/psf_45cube_offcentre.tif", 0, (26, 18, 23)),  # oblique
    ],
)
def test_measured_psfs_are_centred_on_their_cores(name, offset, peak):
    path = shared(name)
    result, facts = preparation.prepare_psf_file(path, FINE, COARSE)
    assert_well_formed(result)
    # The middle is that of the core, of whose voxels this is a coarse measure.
    half = np.argwhere(result > result.max() / 2)
    np.testing.assert_allclose(half.mean(axis=0), [n // 2 for n in result.shape], atol=0.5)
    assert facts["background"] == pytest.approx(offset, abs=1)
    assert facts["peak_zyx"] == list(peak)
    np.testing.assert_allclose(facts["centre_zyx"], peak, atol=2.4)


@parametrize("name", ["mbPSF_560_NAp5nap42_z100nm.tif", "wideFieldPSF_560_z100nm.tif"])
def test_preparation_keeps_the_width_of_a_measured_psf(name):
    path = shared(f"llsm_psf_janelia/{name}")
    image = tifffile.imread(path, key=slice(None)).astype(np.float64)
    widths = preparation.prepare_psf_file(path, FINE, COARSE)[1]["fwhm_um"]
    # The low-pass along z mixes blurred planes in and adds a few per cent; left in, the offset would add 7 %.
    assert widths == pytest.approx(measure.measure_fwhm(image - np.median(image), FINE), rel=0.05)


def test_facts_say_what_was_read_and_made():
    path = shared("llsm_psf_janelia/mbPSF_560_NAp5nap42_z100nm.tif")
    result, facts = preparation.prepare_psf_file(path, FINE, COARSE, 100)
    content = path.read_bytes()
    source = {"path": str(path), "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert facts["source"] == source
    assert facts["background"] == 100
    assert facts["shape"] == list(result.shape)
    assert 0 <= facts["energy_cropped"] <= preparation.CROP
    assert facts["sha256"] == measure.digest_psf(result)
    assert json.loads(json.dumps(facts)) == facts
