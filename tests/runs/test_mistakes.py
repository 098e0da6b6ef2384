"""Each mistake gets one clear sentence that names the file or key, a non-zero exit, and loses nothing."""

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from .conftest import CHANNELS, CONFIG, Project

pytestmark = pytest.mark.workflow


def test_a_missing_timepoint(fresh: Project) -> None:
    fresh.tiffs()[1].unlink()
    output = fresh.fail("-n")
    assert "CamA_ch0_488nm" in output
    assert "timepoint" in output
    assert "1" in output


def test_two_files_for_one_volume(fresh: Project) -> None:
    first = fresh.tiffs()[0]
    shutil.copy(first, first.with_name(f"copy_{first.name}"))
    output = fresh.fail("-n")
    assert first.name in output
    assert f"copy_{first.name}" in output


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20000])


def reshape(path: Path) -> None:
    tifffile.imwrite(path, tifffile.imread(path)[:, :-2])


def retype(path: Path) -> None:
    tifffile.imwrite(path, tifffile.imread(path).astype(np.float32))


@pytest.mark.parametrize(
    ("number", "damage", "words"),
    [
        (0, truncate, "copy it again"),
        (4, reshape, "it is (12, 38, 36) uint16, but most volumes of the acquisition are (12, 40, 36) uint16"),
        (2, retype, "it is (12, 40, 36) float32, but most volumes of the acquisition are (12, 40, 36) uint16"),
    ],
)
def test_a_damaged_file_stops_its_own_volume_only(
    fresh: Project, number: int, damage: Callable[[Path], None], words: str
) -> None:
    bad = fresh.tiffs()[number]
    good = bad.read_bytes()
    damage(bad)
    output = fresh.fail()
    assert f"data/{bad.name}: " in output
    assert words in output
    assert "What was done is kept: the same command goes on from here" in output
    assert fresh.record("raw", number // 3, number % 3)["status"] == "failed"
    assert words in fresh.record("raw", number // 3, number % 3)["error"]
    assert sum("done" in text for _, text in fresh.finished("raw").values()) == 5
    assert not (fresh.results / "small.ome.zarr").exists()
    before = fresh.finished("raw")
    bad.write_bytes(good)
    fresh.succeed()
    after = fresh.finished("raw")
    assert sum(before[name] != after[name] for name in after) == 1, "the others were not lost"


def series_per_page(path: Path, volume: np.ndarray) -> None:
    with tifffile.TiffWriter(path) as file:
        for plane in volume:
            file.write(plane, contiguous=False)


WAYS: dict[str, Callable[[Path, np.ndarray], Any]] = {
    "one series per page": series_per_page,
    "big-endian": lambda path, volume: tifffile.imwrite(path, volume, byteorder=">"),
    "zlib": lambda path, volume: tifffile.imwrite(path, volume, compression="zlib"),
    "LZW with predictor": lambda path, volume: tifffile.imwrite(path, volume, compression="lzw", predictor=True),
}


def test_unusual_tiffs_simply_work(project: Project) -> None:
    store = project.digests()
    for path, way in zip(project.tiffs(), WAYS.values(), strict=False):
        way(path, tifffile.imread(path))
    project.succeed()
    assert project.digests() == store


def test_an_empty_folder(fresh: Project) -> None:
    (fresh.folder / "empty").mkdir()
    fresh.configure(input={"folder": "empty"})
    assert "empty" in fresh.fail("-n")


def test_a_folder_that_is_not_there(fresh: Project) -> None:
    fresh.configure(input={"folder": "nowhere"})
    output = fresh.fail("-n")
    assert "nowhere" in output
    assert "input.folder" in output


def test_a_pattern_that_matches_nothing_shows_the_nearest_names(fresh: Project) -> None:
    fresh.configure(input={"pattern": "CH{channel}_{timepoint}.tif"})
    output = fresh.fail("-n")
    assert fresh.tiffs()[0].name in output
    assert "input.pattern" in output


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"deconvolution": {"iteration": 5}}, "deconvolution.iteration is unknown; did you mean iterations?"),
        ({"deconvolution": {"iterations": "many"}}, "deconvolution.iterations: 'many' is not a whole number"),
        ({"deconvolution": {"iterations": -1}}, "deconvolution.iterations: -1 is not a whole number from 1"),
        ({"voxel_size": {"z": "0.3 um", "y": 0.1, "x": 0.1}}, "voxel_size.z: '0.3 um' is not a number"),
        (
            {"psf": {"files": {CHANNELS[0]: "psf/488.tif"}}},
            "psf.files: nothing is given for channel CamA_ch1_560nm",
        ),
        (
            {"psf": {"files": {**CONFIG["psf"]["files"], CHANNELS[1]: "psf/561.tif"}}},
            "psf.files.CamA_ch1_560nm: there is no file psf/561.tif",
        ),
    ],
)
def test_mistakes_in_the_configuration(fresh: Project, change: dict[str, Any], sentence: str) -> None:
    fresh.configure(**change)
    assert sentence in fresh.fail("-n")


def test_a_psf_that_is_all_nan(fresh: Project, shared_data: Path) -> None:
    packed = shared_data / "confocal_bia" / "psf_all_NaN_broken_upstream.tif.gz"
    (fresh.folder / "data" / "psf" / "nan.tif").write_bytes(gzip.decompress(packed.read_bytes()))
    fresh.configure(psf={"files": {**CONFIG["psf"]["files"], CHANNELS[1]: "psf/nan.tif"}})
    output = fresh.fail()
    assert "psf/nan.tif" in output
    assert "NaN" in output
    assert sum("done" in text for _, text in fresh.finished("raw").values()) == 6, "ingest went on"


def test_an_output_folder_that_is_a_file(fresh: Project) -> None:
    (fresh.folder / "results").write_text("in the way")
    assert "output.folder" in fresh.fail("-n")


def test_an_output_folder_that_cannot_be_written(fresh: Project, small_disk: Callable[[str], Path]) -> None:
    fresh.configure(output={"folder": str(small_disk("ro") / "results")})
    assert "is not a folder that you may write to" in fresh.fail()


def test_a_disk_that_is_too_small_is_noticed_before_work_starts(
    fresh: Project, small_disk: Callable[[str], Path]
) -> None:
    disk = small_disk("size=500k")
    fresh.configure(output={"folder": str(disk / "results")})
    output = fresh.fail()
    assert "make room, or name another disk in output.folder" in output
    assert list(disk.iterdir()) == []


def test_itk_with_extended_boundaries(fresh: Project) -> None:
    fresh.configure(deconvolution={"engine": "itk", "boundary": "extended"})
    assert "replicate" in fresh.fail("-n")
