"""Folders of small files, against which of them a person would take."""

import json
import os
from pathlib import Path

import pytest

from lightsheet.acquisition import settling
from lightsheet.acquisition.discovery import discover
from lightsheet.acquisition.inventory import describe_acquisition
from lightsheet.system import escape_name
from tests.acquisition.test_discovery import TEMPLATE, fill, reference_name, refusal

# --- What is left out


def test_files_left_out_are_named_with_the_reason(tmp_path):
    fill(tmp_path, reference_name(0), "._" + reference_name(0), "old_CamB_ch0_stack0000_488nm.tif", "psf.TIF")
    fill(tmp_path, reference_name(0).replace(".tif", "_decon.tif"), "notes.txt")
    (tmp_path / "folder.tif").mkdir()
    acquisition = discover(tmp_path, "lattice", ["old_*"])
    reasons = dict(acquisition.excluded_files)
    assert [volume.tiles[0].pieces[0].path.name for volume in acquisition.volumes] == [reference_name(0)]
    assert len(reasons) == 5
    assert "hidden" in reasons["._" + reference_name(0)]
    assert "'old_*'" in reasons["old_CamB_ch0_stack0000_488nm.tif"]
    assert "expected a channel" in reasons["psf.TIF"]
    assert "looks derived" in reasons[reference_name(0).replace(".tif", "_decon.tif")]
    assert "not a file" in reasons["folder.tif/"]


@pytest.mark.parametrize("name", ["notes \udcb5.tif", "a\nb.tif", "\x1b[2J.tif"])
def test_a_name_that_cannot_be_written_down_is_shown_where_it_is_left_out(tmp_path, name):
    fill(tmp_path, reference_name(0), name, "ignored" + name)
    acquisition = discover(tmp_path, "lattice", ["ignored*"])
    assert acquisition.timepoints == 1
    text = describe_acquisition(acquisition, "")
    assert text.encode().count(escape_name(name).encode()) == 2
    assert escape_name(text.replace("\n", "")) == text.replace("\n", "")
    assert discover(tmp_path, "lattice", ["ignored*"], names=acquisition.tiff_names) == acquisition


# --- What is refused


@pytest.mark.parametrize(
    ("name", "text", "glob"),
    [
        ("CH0_0_\udcb5[1].tif", "'CH0_0_\\xb5[1].tif' is not UTF-8", '["CH0_0_?[[]1].tif"]'),
        ("CH0_0_\n.tif", "'CH0_0_\\n.tif' has a control character in it", '["CH0_0_?.tif"]'),
    ],
)
def test_a_name_that_cannot_be_written_down_is_refused_where_it_is_used(tmp_path, name, text, glob):
    fill(tmp_path, "CH0_1.tif", name)
    template = "CH{channel}_{timepoint}{any}.tif"
    message = refusal(tmp_path, template)
    assert f"the name {text}; rename it" in message
    assert message.endswith(f"input.ignore: {glob}")
    assert discover(tmp_path, template, json.loads(glob)).timepoints == 1


def test_a_folder_that_cannot_be_written_down_is_refused_where_files_in_it_are_used(tmp_path):
    fill(tmp_path, "G\udcb5/0.tif", "b/0.tif")
    assert "the name 'G\\xb5/0.tif' is not UTF-8; rename it" in refusal(tmp_path, "{channel}/{timepoint}.tif")
    fill(tmp_path / "flat", "CH0_0.tif", "G\udcb5.tif/0.tif")
    assert [why for _, why in discover(tmp_path / "flat", TEMPLATE).excluded_files] == [
        "G\\xb5.tif/: not a file, but a folder or a link that leads nowhere"
    ]


def test_what_has_the_name_of_a_file_and_is_none(tmp_path):
    fill(tmp_path, "CH0_0.tif", "CH0_1.tif")
    (tmp_path / "CH0_2.tif").symlink_to(tmp_path / "gone.tif")
    assert "CH0_2.tif has the name of a volume's file, but is not a file, but a folder or a link" in refusal(
        tmp_path, TEMPLATE
    )
    assert discover(tmp_path, TEMPLATE, ["*_2.tif"]).timepoints == 2


@pytest.mark.parametrize("ending", [".part", ".filepart", ".gz", ".zst", ".crdownload"])
def test_a_file_that_is_still_being_copied_or_is_packed(tmp_path, ending, monkeypatch):
    monkeypatch.setattr(settling, "LOOK_SECONDS", 0.0)
    fill(tmp_path, "CH0_0.tif", "CH0_1.tif", "CH0_2.tif" + ending, "notes.tif" + ending, "CH0_1.tif" + ending)
    assert f"CH0_2.tif{ending} would be left out, but could be a volume" in refusal(tmp_path, TEMPLATE)
    assert discover(tmp_path, TEMPLATE, [f"*{ending}"]).timepoints == 2
    for path in tmp_path.iterdir():
        os.utime(path, (1e9, 1e9))
    assert discover(tmp_path, TEMPLATE, settle=0.1).timepoints == 2


def test_what_is_no_folder_or_has_no_tiff_is_refused(tmp_path, monkeypatch):
    assert f"{tmp_path / 'absent'}: no such folder" in refusal(tmp_path / "absent")
    monkeypatch.chdir(tmp_path)
    assert refusal(Path("absent")) == f"absent: no such folder in {tmp_path}; set input.folder"
    (tmp_path / "file").touch()
    assert "not a folder" in refusal(tmp_path / "file")
    assert "cannot be read (File name too long)" in refusal(tmp_path / ("x" * 300))
    assert "no TIFF file" in refusal(fill(tmp_path / "empty", "notes.txt"))


def test_nothing_fits_shows_how_the_first_names_were_read(tmp_path):
    fill(tmp_path, *(f"ex_ch0_stock{t:04d}_488nm.tif" for t in range(12)))
    message = refusal(tmp_path)
    assert "none of its 12 TIFF files can be used; set input.pattern" in message
    assert message.count("reading stopped after 'ex_ch0'") == 3
    assert "ex_ch0_stock0002_488nm.tif" in message
    assert "ignored by '*'" in refusal(tmp_path, "lattice", ["*"])


def test_wrong_pattern_is_not_taken_for_the_files_fault(tmp_path):
    fill(tmp_path, "CH0_0.tif")
    assert "did you mean {channel}" in refusal(tmp_path, "CH{chanel}_{timepoint}.tif")


def test_another_format_than_tiff_is_named(tmp_path):
    fill(tmp_path, "notes.txt", "embryo.czi")
    assert "no TIFF file" in (message := refusal(tmp_path))
    assert "embryo.czi: is " in message
    fill(tmp_path, "CH0_0.tif")
    assert discover(tmp_path, TEMPLATE).timepoints == 1


def test_folders_that_the_pattern_lacks_are_hinted_at(tmp_path):
    fill(tmp_path, "488/CH0_0.tif")
    assert "or write / between the folders of input.pattern" in refusal(tmp_path, r"{any}\CH{channel}_{timepoint}.tif")
    assert "or write folders into input.pattern" in refusal(tmp_path, TEMPLATE)
    assert "or write folders" not in refusal(fill(tmp_path / "empty"), TEMPLATE)


def test_the_preset_that_would_read_the_names_is_suggested(tmp_path):
    fill(tmp_path, *(f"CH0{c}_{t:06d}.tif" for c in (0, 1) for t in range(3)), "psf.tif")
    assert "set input.pattern: the preset navigate reads 6 of them" in refusal(tmp_path)


def test_several_positions_are_several_acquisitions(tmp_path):
    fill(tmp_path, *(f"P{p}_T{t}.tif" for p in ("A", 2, 10) for t in (0, 1)))
    template = "P{position}_T{timepoint}.tif"
    message = refusal(tmp_path, template)
    assert "its files are of 3 positions (2, 10, A)" in message
    assert "input.ignore" in message
    assert "{x} and {y}" in message
    assert discover(tmp_path, template, ["PA_*", "P10_*"]).timepoints == 2


def test_a_folder_that_may_not_be_listed(tmp_path, monkeypatch):
    fill(tmp_path, "a/0.tif", "b/0.tif")
    scan = os.scandir

    def refuse(path: Path) -> object:
        if path.name == "b":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert f"{tmp_path / 'b'}: cannot be listed (Permission denied)" in refusal(tmp_path, "{channel}/{timepoint}.tif")


@pytest.mark.parametrize(
    ("names", "name"),
    [
        (("GFP 1", "GFP+1"), "GFP-1"),
        (("(µ)", "(ß)"), "---"),
        (("a_b", "a-b"), "a-b"),
        (("1", "ch1"), "ch1"),
        ((".x", "-x"), "-x"),
    ],
)
def test_channels_that_would_have_one_name_are_not_taken_for_one(tmp_path, names, name):
    """Of different timepoints they would become one movie without a word."""
    fill(tmp_path, f"CH{names[0]}_0.tif", f"CH{names[1]}_1.tif")
    message = refusal(tmp_path, TEMPLATE)
    assert f"would both be called {name}, as the name of a channel" in message
    assert f"CH{names[1]}_1.tif" in message
    assert discover(tmp_path, TEMPLATE, ["*_1.tif"]).channels == (name,)
