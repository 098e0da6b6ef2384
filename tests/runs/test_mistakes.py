"""Each mistake gets one clear sentence that names the file or key, a non-zero exit, and loses nothing.

What is refused while the Snakefile is parsed goes through Snakemake once, in the first test: all are the same to it.
"""

import gzip
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from tests.support.project import CHANNELS, PSFS, Project, redone

pytestmark = pytest.mark.workflow


def test_a_missing_timepoint_is_named(fresh: Project) -> None:
    fresh.tiffs()[1].unlink()
    output = fresh.fail("-n")
    assert "CamA_ch0_488nm" in output
    assert "timepoint" in output
    assert "1" in output


def test_two_files_for_one_volume(fresh: Project) -> None:
    first = fresh.tiffs()[0]
    shutil.copy(first, first.with_name(f"copy_{first.name}"))
    sentence = fresh.refusal()
    assert first.name in sentence
    assert f"copy_{first.name}" in sentence


def test_damaged_files_stop_their_own_volumes_only(fresh: Project) -> None:
    files = fresh.tiffs()
    damaged = {
        0: "copy it again",
        4: "it is (12, 38, 36) uint16, but most volumes of the acquisition are (12, 40, 36) uint16",
        2: "it is (12, 40, 36) float32, but most volumes of the acquisition are (12, 40, 36) uint16",
    }
    good = {number: files[number].read_bytes() for number in damaged}
    files[0].write_bytes(good[0][:-20000])
    tifffile.imwrite(files[4], tifffile.imread(files[4])[:, :-2])
    tifffile.imwrite(files[2], tifffile.imread(files[2]).astype(np.float32))
    output = fresh.fail()
    for number, words in damaged.items():
        assert f"data/{files[number].name}: " in output
        assert words in output
        record = fresh.record("raw", number // 3, number % 3)
        assert record["status"] == "failed"
        assert words in record["error"]
    assert "What was done is kept: the same command goes on from here" in output
    before = fresh.finished("raw")
    assert sum('"done"' in text for _, text in before.values()) == 3
    assert not (fresh.results / "small.ome.zarr").exists()
    for number, content in good.items():
        files[number].write_bytes(content)
    fresh.succeed("--until", "ingest")
    assert len(redone(before, fresh.finished("raw"))) == 3, "the others were not lost"


def test_a_damaged_tag_ends_in_our_sentence_alone(fresh: Project) -> None:
    first = fresh.tiffs()[0]
    content = bytearray(first.read_bytes())
    at = content.index(struct.pack("<HH", 257, 4))  # ImageLength, a long
    content[at + 4 : at + 12] = struct.pack("<II", 11, 1 << 20)
    first.write_bytes(content)
    output = fresh.fail("-n")
    assert f"data/{first.name}: cannot be read as TIFF" in output
    assert "TiffTag" not in output, "as tifffile would log"


def test_an_empty_folder_is_named(fresh: Project) -> None:
    (fresh.folder / "empty").mkdir()
    fresh.configure(input={"folder": "empty"})
    assert "empty" in fresh.refusal()


def test_a_folder_that_is_not_there(fresh: Project) -> None:
    fresh.configure(input={"folder": "nowhere"})
    sentence = fresh.refusal()
    assert "nowhere" in sentence
    assert "input.folder" in sentence


def test_a_pattern_that_matches_nothing_shows_the_nearest_names(fresh: Project) -> None:
    fresh.configure(input={"pattern": "CH{channel}_{timepoint}.tif"})
    sentence = fresh.refusal()
    assert fresh.tiffs()[0].name in sentence
    assert "input.pattern" in sentence


@pytest.mark.parametrize(
    ("change", "words"),
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
            {"psf": {"files": {**PSFS, CHANNELS[1]: "psf/561.tif"}}},
            "psf.files.CamA_ch1_560nm: there is no file psf/561.tif",
        ),
    ],
)
def test_mistakes_in_the_configuration_are_refused(fresh: Project, change: dict[str, Any], words: str) -> None:
    fresh.configure(**change)
    assert words in fresh.refusal()


def test_a_psf_that_is_all_nan(fresh: Project, shared_data: Path) -> None:
    packed = shared_data / "confocal_bia" / "psf_all_NaN_broken_upstream.tif.gz"
    (fresh.folder / "data" / "psf" / "nan.tif").write_bytes(gzip.decompress(packed.read_bytes()))
    fresh.configure(psf={"files": {**PSFS, CHANNELS[1]: "psf/nan.tif"}})
    output = fresh.fail()
    assert "psf/nan.tif" in output
    assert "NaN" in output
    assert sum("done" in text for _, text in fresh.finished("raw").values()) == 6, "ingest went on"


def test_an_output_folder_that_is_a_file(fresh: Project) -> None:
    (fresh.folder / "results").write_text("in the way")
    assert "output.folder" in fresh.refusal()


def test_an_output_folder_that_cannot_be_written(fresh: Project, small_disk: Callable[[str], Path]) -> None:
    fresh.configure(output={"folder": str(small_disk("ro") / "results")})
    assert "is not a folder that you may write to" in fresh.refusal()


def test_a_disk_that_is_too_small_is_noticed_before_work_starts(
    fresh: Project, small_disk: Callable[[str], Path]
) -> None:
    disk = small_disk("size=500k")
    fresh.configure(output={"folder": str(disk / "results")})
    assert "make room, or name another disk in output.folder" in fresh.fail()
    assert list(disk.iterdir()) == []


def test_itk_with_extended_boundaries_is_refused(fresh: Project) -> None:
    fresh.configure(deconvolution={"engine": "itk", "boundary": "extended"})
    assert "replicate" in fresh.refusal()
