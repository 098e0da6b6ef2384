import hashlib
import json

import numpy as np
import pytest
import tifffile
from matplotlib.image import imread

import psf as script
from lightsheet.psf import measure, preparation
from lightsheet.sources import read_stack
from lightsheet.system.errors import InputError
from tests.support.point_images import COARSE, FINE, FWHM, SIGMA, centred, measured


def test_digest_tells_shapes_and_values_apart():
    flat = np.arange(27, dtype=np.float32)
    digests = {measure.digest_psf(flat.reshape(shape)) for shape in [(3, 3, 3), (1, 3, 9), (9, 3, 1)]}
    digests.add(measure.digest_psf((flat + 1).reshape(3, 3, 3)))
    assert len(digests) == 4
    assert measure.digest_psf(flat.reshape(3, 3, 3).astype(">f4")) in digests


def test_fwhm_of_known_shapes():
    voxel = np.zeros((3, 3, 3))
    voxel[1, 1, 1] = 1
    assert measure.measure_fwhm(voxel, COARSE) == pytest.approx(COARSE)  # falls by half over half a voxel, each side
    lines = np.zeros((5, 7, 5))
    lines[2, :, 2] = [0, 1, 2, 4, 3, 2, 1]  # half of 4 is met 1 voxel before and 2 after
    lines[:, 3, 2] = [3, 3, 4, 3, 0]  # on one side not within the array: from 3 to the 0 beyond it
    widths = measure.measure_fwhm(lines, {"z": 1, "y": 0.5, "x": 2})
    assert widths["y"] == pytest.approx(3 * 0.5)
    assert widths["z"] == pytest.approx((2 + 1 / 3) + (1 + 1 / 3))


def test_fwhm_of_a_gaussian():
    widths = measure.measure_fwhm(
        centred((301, 101, 101), {"z": 0.01, "y": 0.02, "x": 0.02}), {"z": 0.01, "y": 0.02, "x": 0.02}
    )
    # At these steps the chord differs from the curve by less than 0.2 % of the width.
    assert list(widths.values()) == pytest.approx([FWHM * s for s in SIGMA], rel=2e-3)


def test_saved_file_holds_values_and_voxel_size_and_is_the_same_every_time(tmp_path):
    result = preparation.prepare_psf(centred((61, 41, 41), FINE), FINE, COARSE)
    measure.save_psf(result, COARSE, tmp_path / "a.tif")
    measure.save_psf(result, COARSE, tmp_path / "b.tif")
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tif", "b.tif"]
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        np.testing.assert_array_equal(file.asarray(), result)
        assert file.series[0].axes == "ZYX"
        assert (file.imagej_metadata["spacing"], file.imagej_metadata["unit"]) == (0.3, "um")
        across, per = file.pages.first.tags["XResolution"].value
        assert per / across == pytest.approx(0.104, rel=1e-6)


@pytest.mark.parametrize("shape", [(3, 1, 1), (3, 3, 1), (1, 3, 1), (5, 1, 3), (1, 1, 1)])
def test_a_psf_of_few_voxels_is_read_as_it_was_saved(tmp_path, shape):
    psf = np.random.default_rng(1).random(shape, np.float32)
    measure.save_psf(psf, COARSE, tmp_path / "a.tif")
    np.testing.assert_array_equal(read_stack(tmp_path / "a.tif"), psf)


# The Snakemake script ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_script_writes_the_psf_its_picture_and_its_facts(tmp_path):
    source = tmp_path / "488.tif"
    tifffile.imwrite(source, measured()[0])
    outputs = [tmp_path / "psf" / f"CamA{suffix}" for suffix in (".tif", ".png", ".json")]
    settings = {"psf_voxel_size": FINE, "voxel_size": COARSE, "background": "auto"}
    script.prepare_psf(source, *outputs, **settings)
    first = [path.read_bytes() for path in outputs]
    facts = json.loads(first[2])
    assert measure.digest_psf(tifffile.imread(outputs[0])) == facts["sha256"]
    assert facts["source"]["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    script.prepare_psf(source, *outputs, **settings)
    assert [path.read_bytes() for path in outputs] == first


@pytest.mark.slow
def test_script_tells_of_damage_in_the_log_the_facts_and_the_picture(tmp_path, caplog):
    heights = []
    for limit in (5000, 1200):
        source = tmp_path / f"{limit}.tif"
        tifffile.imwrite(source, np.minimum(measured()[0], limit).astype(np.uint16))
        outputs = [tmp_path / f"{limit}-used{suffix}" for suffix in (".tif", ".png", ".json")]
        script.prepare_psf(source, *outputs, psf_voxel_size=FINE, voxel_size=COARSE, background="auto")
        heights.append(imread(outputs[1]).shape[0])
    (warning,) = json.loads(outputs[2].read_text())["warnings"]
    assert (warning["kind"], warning["value"]) == ("saturation", pytest.approx(60, abs=20))
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert record.getMessage() == f"{source}: {warning['text']}"
    assert "saturated: " in warning["text"]
    picture = imread(outputs[1])[: 80 + heights[1] - heights[0], :, :3]
    assert heights[1] > heights[0]  # there is room for the lines
    assert ((picture[..., 0] > 0.7) & (picture[..., 1:] < 0.2).all(axis=-1)).sum() > 100  # red


def test_script_leaves_nothing_for_a_psf_it_refuses(tmp_path):
    source = tmp_path / "flat.tif"
    tifffile.imwrite(source, np.full((9, 9, 9), 104, np.uint16))
    outputs = [tmp_path / "psf" / f"CamA{suffix}" for suffix in (".tif", ".png", ".json")]
    with pytest.raises(InputError, match="is flat"):
        script.prepare_psf(source, *outputs, psf_voxel_size=FINE, voxel_size=COARSE, background="auto")
    assert not any(path.exists() for path in outputs)
