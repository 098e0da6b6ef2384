"""A simulated stage scan, against points drawn from the formula of its geometry, and against its own truth."""

import math

import numpy as np
import pytest
import tifffile

from lightsheet.cli import main
from lightsheet.psf import prepare_psf
from lightsheet.scan import deskew
from lightsheet.simulation import simulate as sim, stage
from lightsheet.sources import read_lattice_settings
from tests.support.stage_scan import list_scan_positions, scan_points

PIXEL = {"y": 0.104, "x": 0.104}


@pytest.mark.parametrize("axis", ["x", "y"])
@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize(("angle", "step"), [(31.5, 0.3), (45.0, 0.26)])
def test_planes_are_those_that_the_stage_passes(angle, step, direction, axis):
    scan = {"angle": angle, "step": step, "direction": direction, "axis": axis}
    shape, width = (6, 22, 24), 1.0  # pixels, that of an image of the simulated microscope
    points = [(1.0, 9.3, 10.2), (4.0, 12.1, 14.6)]
    expected = scan_points(shape, points, {**scan, "pixel": 0.104}, width)
    field = stage.measure_field(scan, shape, PIXEL)
    assert field == deskew(expected, **scan, pixel=0.104).shape
    borders = stage.list_borders(scan)
    index = np.indices([n + 2 * border for n, border in zip(field, borders, strict=True)], float)
    distance = step * math.sin(math.radians(angle)) / 0.104
    light = np.zeros(index.shape[1:])
    for place in list_scan_positions(points, shape, {**scan, "pixel": 0.104}):
        z, y, x = (index[n] - borders[n] - place[n] for n in range(3))
        light += np.exp(-((z * distance) ** 2 + y**2 + x**2) / (2 * width**2))
    # The spectrum of a point as narrow as that has 0.7 % left where pixels cease to hold it.
    np.testing.assert_allclose(stage.record_planes(light, scan, shape, PIXEL), expected, atol=5e-3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scan")
    sizes = ["--shape", "8", "20", "24", "--psf-shape", "41", "24", "24", "--timepoints", "1", "--channels", "1"]
    options = ["--scan", "stage", "--angle", "31.5", "--step", "0.3", "--direction", "-1"]
    assert main(["simulate", str(folder), *sizes, *options]) == 0
    return folder


SCAN = {"angle": 31.5, "step": 0.3, "axis": "x", "direction": -1}


def test_the_truth_lies_straight_and_the_settings_are_those_of_a_lattice_microscope(folder):
    (image,), (truth,) = ([tifffile.imread(path) for path in folder.glob(p)] for p in ("*.tif", "truth/*.tif"))
    assert image.shape == (8, 20, 24)
    assert truth.shape == deskew(image, **SCAN, pixel=0.104).shape
    settings = read_lattice_settings(folder)
    assert settings.stage == {"step": 0.3, "angle": 31.5}
    assert settings.wavelengths == (488,)
    written = sum(tifffile.imread(path).nbytes for path in folder.rglob("*.tif"))
    voxel_size = {"z": 0.3 * math.sin(math.radians(31.5)), **PIXEL}
    assert written == sim.count_bytes(1, 1, (8, 20, 24), (41, 24, 24), voxel_size, SCAN)


def test_the_scanned_bead_is_the_straight_one(folder):
    """To 6 %, the noise of both images; taken for straight, either is another PSF."""
    images = {"z": 0.3 * math.sin(math.radians(31.5)), **PIXEL}
    bead = {**SCAN, "step": 0.1}
    straight, scanned = (tifffile.imread(folder / "psf" / name) for name in ("488.tif", "scanned/488.tif"))
    expected = prepare_psf(straight, {"z": 0.1, **PIXEL}, images, scan=SCAN)
    psf = prepare_psf(scanned, {"z": 0.1 * math.sin(math.radians(31.5)), **PIXEL}, images, scan=SCAN, psf_scan=bead)
    size = tuple(max(sizes) for sizes in zip(expected.shape, psf.shape, strict=True))
    padded = [np.pad(p, [((n - k) // 2,) * 2 for n, k in zip(size, p.shape, strict=True)]) for p in (expected, psf)]
    assert np.linalg.norm(padded[0] - padded[1]) < 0.06 * np.linalg.norm(padded[0])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--angle", "31.8"], "angle: only a stage scan has that"),
        (["--direction", "1"], "direction: only a stage scan has that"),
        (["--scan", "stage", "--angle", "90"], "angle: 90 degrees is not between 0 and 90"),
        (["--scan", "stage", "--step", "-1"], "step: -1 is no distance"),
        (["--scan", "stage", "--step", "100"], "voxel_size"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(tmp_path, capsys, options, says):
    assert main(["simulate", str(tmp_path / "new"), *options]) == 2
    message = capsys.readouterr().err
    assert says in message
    assert message.count("\n") == 1
    assert not (tmp_path / "new").exists()
