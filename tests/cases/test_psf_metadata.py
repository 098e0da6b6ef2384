"""What a PSF's file says of itself counts before any work: several channels, another voxel size (cases 03, 04)."""

from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import yaml

from lightsheet.run import prepare_run
from lightsheet.system import InputError
from tests.support.cases import play
from tests.support.point_images import centred

UNIT = {"z": 1, "y": 1, "x": 1}
VOXEL = {"z": 0.3, "y": 0.1, "x": 0.1}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    rng = np.random.default_rng(1)
    tifffile.imwrite("data/GFP_0000.tif", rng.poisson(120, (12, 40, 36)).astype(np.uint16), photometric="minisblack")
    return tmp_path


def bead(planes: int, sigma_z: float, peak: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    shape = (planes, 15, 15)
    image = 100 + peak * centred(shape, UNIT, (sigma_z, 1.4, 1.4)) + rng.normal(0, 2, shape)
    return image.round().astype(np.uint16)


def settings(**psf: Any) -> dict[str, Any]:
    section = {"files": {"GFP": "psf.tif"}, "voxel_size": VOXEL, **psf}
    config = {"name": "case", "input": {"folder": "data", "pattern": "plain"}, "voxel_size": VOXEL, "psf": section}
    return prepare_run(config).psf_settings["GFP"]


def write(image: np.ndarray, spacing: float) -> None:
    tags = {"axes": "ZCYX", "spacing": spacing, "unit": "um"}
    tifffile.imwrite("psf.tif", image, imagej=True, metadata=tags, resolution=(10, 10))


def test_a_psf_of_two_channels_is_refused_or_one_is_chosen() -> None:
    write(np.stack([bead(21, 2, 3000), bead(21, 2, 200)], axis=1), 0.3)
    with pytest.raises(InputError, match=r"psf\.tif: holds 2 channels \(ImageJ tags of psf\.tif\); give one of them"):
        settings()
    chosen = settings(files={"GFP": {"path": "psf.tif", "channel": 1}})
    assert list(range(*chosen["pages"])) == list(range(1, 42, 2))


def test_a_psf_that_contradicts_its_voxel_size_is_refused() -> None:
    write(bead(61, 6, 3000)[:, None], 0.1)
    with pytest.raises(
        InputError, match=r"psf\.voxel_size\.z is 0\.3 um in the config, but 0\.1 um in ImageJ tags of psf\.tif"
    ):
        settings()
    assert settings(voxel_size={**VOXEL, "override": True})["psf_voxel_size"] == VOXEL
    assert settings(voxel_size={})["psf_voxel_size"]["z"] == pytest.approx(0.1)


def test_03_the_psf_of_two_channels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FileNotFoundError, match=r"GFP\.json"):  # which its script reads in the end, and nobody wrote
        play(3, tmp_path, capsys)
    (folder,) = tmp_path.glob("case-*/c03")
    with chdir(folder), pytest.raises(InputError, match=r"psf\.tif: holds 2 channels \(ImageJ tags of psf\.tif\)"):
        prepare_run(yaml.safe_load(Path("my.yaml").read_text()))


def test_04_the_psf_that_says_another_voxel_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refusal = play(4, tmp_path, capsys).refusal
    assert "psf.voxel_size.z is 0.3 um in the config, but 0.1 um in ImageJ tags of psf.tif" in refusal
