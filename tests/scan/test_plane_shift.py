"""The shift from plane to plane: of simulated stage scans as it was made, of straight volumes none."""

import gzip
import io

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from lightsheet.scan import measure_plane_shift
from lightsheet.simulation import simulate_volume
from tests.support.families import parametrize
from tests.support.reference_data import DATA

SHAPE = (40, 96, 128)


def record(shift, photons=60, shells=0, seed=0):
    """A volume of points, or of hollow balls, whose planes the stage moved along x; slabs of four planes as sampled."""
    rng = np.random.default_rng(seed)
    margin = int(abs(shift) * SHAPE[0])
    size = (*SHAPE[:2], SHAPE[2] + margin)
    light = np.zeros(size)
    if shells:
        z, y, x = np.indices(size, np.float32)
        for _ in range(shells):
            centre, radius = [rng.integers(0, n) for n in size], rng.uniform(6, 14)
            # Beyond the box is no light of the ball.
            box = tuple(slice(max(c - r, 0), c + r) for c, r in zip(centre, (11, 22, 22), strict=True))
            distance = np.sqrt(4 * (z[box] - centre[0]) ** 2 + (y[box] - centre[1]) ** 2 + (x[box] - centre[2]) ** 2)
            light[box] += np.exp(-(((distance - radius) / 1.5) ** 2) / 2)
    else:
        light[tuple(rng.integers(0, n, 300) for n in size)] = rng.uniform(100, 600, 300)
        light = ndimage.gaussian_filter(light, (2, 1.4, 1.4))
    starts = np.arange(SHAPE[0]) * -shift + (margin if shift > 0 else 0)
    planes = [ndimage.shift(plane, (0, -start), order=1) for plane, start in zip(light, starts, strict=True)]
    counts = rng.poisson(photons * (np.stack(planes)[:, :, : SHAPE[2]].clip(0) + 1)) + 100
    return [counts[z : z + 4] for z in range(0, SHAPE[0], 5)]


@parametrize("shift", [0.8, 1.64, -1.64, 3.27, -6], quick=2)
@parametrize("photons", [3, 60])
def test_shift_of_a_stage_scan_of_points(shift, photons):
    measured = measure_plane_shift(record(shift, photons))
    assert measured.x == pytest.approx(shift, abs=0.15)
    assert measured.y == pytest.approx(0, abs=0.15)
    assert measured.pairs > 18  # of 24


@parametrize("shift", [3.27, -2.5])
def test_shift_of_a_stage_scan_of_shells(shift):
    assert measure_plane_shift(record(shift, shells=80)).x == pytest.approx(shift, abs=0.3)


def test_a_pattern_that_the_camera_adds_hides_nothing_and_feigns_nothing():
    pattern = np.random.default_rng(9).normal(0, 6, SHAPE[1:])
    assert measure_plane_shift([slab + pattern for slab in record(3.27)]).x == pytest.approx(3.27, abs=0.15)
    assert measure_plane_shift([slab + pattern for slab in record(0)]) is None


@parametrize("seed", range(3))
@parametrize("shells", [0, 8, 80])
def test_a_straight_volume_has_none(seed, shells):
    assert measure_plane_shift(record(0, shells=shells, seed=seed)) is None


def test_noise_and_nothing_have_none():
    rng = np.random.default_rng(0)
    assert measure_plane_shift([rng.poisson(100, SHAPE)]) is None
    assert measure_plane_shift([np.full(SHAPE, 100)]) is None
    assert measure_plane_shift([np.zeros((1, 40, 40))]) is None
    assert measure_plane_shift([rng.poisson(100, (8, 2, 3))]) is None


@parametrize(
    "name",
    [
        "bars_flowdec/bars-25pct_data.tif",
        "bars_flowdec/bars-25pct_actual.tif",
        "confocal_bia/Bead_Image1_crop.tif",
        "confocal_bia/DeconvolutionSampleVerticalGrid1AU-crop.tif",
        "confocal_bia/psf_45cube_offcentre.tif",
        "llsm_psf_janelia/mbPSF_560_NAp5nap42_z100nm.tif",
        "rlf/gendata_psfconv_poiss.tif.gz",
    ],
)
def test_real_and_published_volumes_have_none(name):
    if not (DATA / name).exists():
        pytest.skip(f"{DATA / name} is absent: set LIGHTSHEET_DATA")
    content = (DATA / name).read_bytes()
    file = io.BytesIO(gzip.decompress(content) if name.endswith(".gz") else content)
    assert measure_plane_shift([tifffile.imread(file, key=slice(None))]) is None


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_one_slanted_structure_in_a_small_volume_is_no_scan(channel):
    """Its planes move to one side, but not evenly."""
    assert measure_plane_shift([simulate_volume(channel, 0, (12, 40, 36), seed=0)[1]]) is None
