"""The inventory of folders of small files."""

import csv
from dataclasses import replace

import pytest

import inventory as script
from lightsheet.acquisition.discovery import discover
from lightsheet.acquisition.inventory import describe_acquisition, write_inventory
from lightsheet.acquisition.model import Acquisition, Piece, Tile, Volume
from lightsheet.system.errors import InputError
from tests.acquisition.test_discovery import TEMPLATE, fill, reference_name, scan_name


def test_the_inventory_has_a_row_for_each_file(tmp_path):
    folder = fill(tmp_path / "data", *(scan_name(t, "CamA", x) for t in (0, 1) for x in (0, 1)))
    (folder / scan_name(1, "CamA", 1)).write_bytes(b"12345")
    table = tmp_path / "inventory.csv"
    table.write_text("older")
    write_inventory(discover(folder), table)
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["file"] for row in rows] == [scan_name(t, "CamA", x) for t in (0, 1) for x in (0, 1)]
    assert rows[3] == {
        "file": scan_name(1, "CamA", 1),
        "channel": "CamA_ch0_488nm",
        "wavelength_nm": "488",
        "timepoint": "1",
        "tile": "z0y0x1",
        "seconds": "154.792",
        "bytes": "5",
        "pages": "",
        "missing": "",
    }
    assert {path.name for path in tmp_path.iterdir()} == {"data", "inventory.csv"}


def test_inventory_leaves_empty_what_is_unknown(tmp_path):
    fill(tmp_path, "CH0_0.tif")
    write_inventory(discover(tmp_path, TEMPLATE), tmp_path / "inventory.csv")
    assert (tmp_path / "inventory.csv").read_text().splitlines()[1] == "CH0_0.tif,,ch0,,0,z0y0x0,,0,"


def rows(acquisition: Acquisition, path) -> list[dict[str, str]]:
    write_inventory(acquisition, path)
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_row_for_each_plane_and_each_hole(tmp_path):
    fill(tmp_path, *(f"{c}/T{t}_{z}.tif" for c in ("a", "b") for t in (0, 1) for z in (0, 1) if (c, t) != ("a", 1)))
    acquisition = discover(tmp_path, "{channel}/T{timepoint}_{plane}.tif", missing="fill")
    table = rows(acquisition, tmp_path / "inventory.csv")
    assert [(row["file"], row["channel"], row["timepoint"], row["missing"]) for row in table] == [
        ("a/T0_0.tif", "a", "0", ""),
        ("a/T0_1.tif", "a", "0", ""),
        ("b/T0_0.tif", "b", "0", ""),
        ("b/T0_1.tif", "b", "0", ""),
        ("", "a", "1", "missing"),
        ("b/T1_0.tif", "b", "1", ""),
        ("b/T1_1.tif", "b", "1", ""),
    ]
    assert (table[4]["tile"], table[4]["bytes"]) == ("", "")


def hyperstack(tmp_path) -> Acquisition:
    """Two timepoints of three planes in two channels, all in one file of 12 pages."""
    (tmp_path / "all.tif").write_bytes(b"12345678")
    volumes = tuple(
        Volume(f"ch{c}", t, None, (Tile((0, 0, 0), (Piece(tmp_path / "all.tif", range(6 * t + c, 6 * t + 6, 2)),)),))
        for t in (0, 1)
        for c in (0, 1)
    )
    whole = discover(tmp_path, "{prefix}.tif")
    return replace(
        whole, channels=("ch0", "ch1"), wavelengths={"ch0": None, "ch1": None}, timepoints=2, volumes=volumes
    )


def test_volumes_of_one_file_have_rows_with_their_pages(tmp_path):
    acquisition = hyperstack(tmp_path)
    assert [row["pages"] for row in rows(acquisition, tmp_path / "i.csv")] == ["0:6:2", "1:6:2", "6:12:2", "7:12:2"]
    assert {row["bytes"] for row in rows(acquisition, tmp_path / "i.csv")} == {"8"}
    assert acquisition.tiff_names == ("all.tif",)
    assert "files       1, with 4 volumes in their pages" in describe_acquisition(acquisition, "of some kind")


def test_a_file_that_has_gone_is_named(tmp_path):
    acquisition = discover(tmp_path, TEMPLATE, names=["CH0_0.tif"])
    with pytest.raises(InputError, match=r"CH0_0\.tif: cannot be read"):
        write_inventory(acquisition, tmp_path / "inventory.csv")


# --- For a person


def test_everything_understood_is_said(tmp_path):
    absent = {(2, 1), (4, 1)}
    fill(tmp_path, *(reference_name(t, c) for t in range(7) for c in (0, 1) if (t, c) not in absent))
    fill(tmp_path, *(reference_name(t).replace(".tif", "_decon.tif") for t in range(7)), "psf.tif")
    waiting = (("b.tif", "younger than 30 s"),)
    assert describe_acquisition(
        replace(discover(tmp_path, missing="fill"), waiting_files=waiting), "of some kind"
    ).splitlines() == [
        f"folder      {tmp_path}",
        "channels    CamA_ch1_560nm  560 nm",
        "            CamB_ch0_488nm  488 nm",
        "timepoints  7, one every 43.7485 s (median), the last after 4 min",
        "missing     CamA_ch1_560nm: 2 volumes, timepoint 2, 4 (from 0)",
        "volumes     of some kind",
        "tiles       1",
        "files       12, one a tile",
        "left out    7 files, looks derived or renamed, '_decon' follows the camera's own name: "
        + ", ".join(reference_name(t).replace(".tif", "_decon.tif") for t in range(5))
        + " and 2 more",
        "            1 file, does not fit the pattern 'lattice': reading stopped at its beginning, "
        "expected a channel such as '_ch0': psf.tif",
        "waiting     1 file, younger than 30 s: b.tif",
        "remarks     Missing, and recorded as holes: CamA_ch1_560nm lacks timepoint 2, 4 (of 0 to 6), "
        "as the names count.",
    ]


def test_little_is_said_of_little(tmp_path):
    fill(tmp_path, *(f"CH0_x{x}_z{z}.tif" for x in (0, 1) for z in range(3)))
    assert describe_acquisition(discover(tmp_path, "CH{channel}_x{x}_z{plane}.tif"), "of some kind").splitlines()[
        1:
    ] == [
        "channels    ch0  wavelength not known",
        "timepoints  1",
        "volumes     of some kind",
        "tiles       1 x 1 x 2 (z, y, x)",
        "files       6, 3 a tile",
    ]


def test_reasons_are_grouped_by_what_is_not_a_number(tmp_path):
    fill(tmp_path, reference_name(0), *(f"ex_ch0_stock{t:04d}.tif" for t in range(20)))
    fill(tmp_path, *(f"ch0_{'x' * n}.tif" for n in range(1, 15)))
    text = describe_acquisition(discover(tmp_path), "of some kind")
    assert "left out    20 files, does not fit the pattern 'lattice': reading stopped after 'ex_ch0'" in text
    assert "ex_ch0_stock0004.tif and 15 more" in text
    assert text.endswith("5 files for other reasons")


def test_the_script_tells_and_lists(tmp_path, caplog):
    fill(tmp_path, "CH0_0.tif")
    with caplog.at_level("INFO", "lightsheet"):
        script.inventory(discover(tmp_path, TEMPLATE), "of some kind", tmp_path / "inventory.csv")
    assert describe_acquisition(discover(tmp_path, TEMPLATE), "of some kind") in caplog.text
    assert f"1 volumes of 1 channels listed in {tmp_path / 'inventory.csv'}" in caplog.text
    assert (tmp_path / "inventory.csv").exists()
