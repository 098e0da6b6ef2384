"""TIFF files written with known metadata, against what is read of it."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from lightsheet.sources.metadata import FileMetadata
from lightsheet.sources.tiff_metadata import read_metadata
from lightsheet.system import silence_tifffile
from tests.support.reference_data import DATA

BEADS = DATA / "confocal_bia" / "Bead_Image1_crop.tif"
RLF_PSF = DATA / "rlf" / "PSF_RFI_8bit.tif"

OME = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{uuid}">'
    '<Image ID="Image:0"><Pixels ID="Pixels:0" Type="uint16" SizeX="5" SizeY="4" {pixels}>{inside}</Pixels></Image>'
    "</OME>"
)


def ome_tiff(path: Path, pages: int, pixels: str, inside: str = "<TiffData/>", uuid: str = "urn:uuid:0") -> Path:
    xml = OME.format(uuid=uuid, pixels=pixels, inside=inside).encode()
    tifffile.imwrite(path, np.zeros((pages, 4, 5), "uint16"), photometric="minisblack", description=xml, metadata=None)
    return path


def imagej(path: Path, shape: tuple[int, ...], axes: str, resolution: Any = (1, 1), **tags: object) -> Path:
    tifffile.imwrite(
        path, np.zeros(shape, "uint16"), imagej=True, resolution=resolution, metadata={"axes": axes, **tags}
    )
    return path


def test_imagej_tags_are_read(tmp_path: Path) -> None:
    tags = {"unit": "um", "spacing": 0.3, "finterval": 12.5}
    metadata = read_metadata(imagej(tmp_path / "a.tif", (2, 5, 3, 4, 6), "TZCYX", (1 / 0.104, 1 / 0.105), **tags))
    assert metadata.voxel_size == pytest.approx({"z": 0.3, "y": 0.105, "x": 0.104})
    assert metadata.interval == 12.5
    assert (metadata.axes, metadata.sizes) == ("TZC", {"T": 2, "C": 3, "Z": 5})
    assert metadata.file_sizes == metadata.sizes
    assert metadata.source == "ImageJ tags of a.tif"


@pytest.mark.parametrize(
    ("tags", "resolution", "expected"),
    [
        ({"unit": r"\u00B5m", "spacing": 0.5}, (10, 10), {"z": 0.5, "y": 0.1, "x": 0.1}),
        ({"unit": "micron", "spacing": -0.5}, (10, 10), {"z": 0.5, "y": 0.1, "x": 0.1}),
        ({"unit": "nm", "spacing": 300}, (0.01, 0.01), {"z": 0.3, "y": 0.1, "x": 0.1}),
        ({"unit": "mm", "spacing": 0.001}, (5000, 10000), {"z": 1.0, "y": 0.1, "x": 0.2}),
        ({"unit": "um", "spacing": 0.5, "zunit": "nm"}, (10, 10), {"z": 0.0005, "y": 0.1, "x": 0.1}),
        ({"unit": "um", "spacing": 0.5}, (1, 1), {"z": 0.5}),  # the tags that a TIFF has where nobody set them
        ({"unit": "um"}, (10, 10), {"y": 0.1, "x": 0.1}),
        ({"unit": "pixel", "spacing": 2}, (10, 10), {}),
        ({"unit": "inch", "spacing": 2}, (72, 72), {}),
        ({"spacing": 2}, (10, 10), {}),
        ({"unit": "um", "spacing": 0.0, "finterval": 0.0}, (10, 10), {"y": 0.1, "x": 0.1}),
        ({"unit": "um", "spacing": "nan"}, (10, 10), {"y": 0.1, "x": 0.1}),
    ],
)
def test_imagej_units_are_converted(
    tmp_path: Path, tags: dict[str, Any], resolution: Any, expected: dict[str, float]
) -> None:
    metadata = read_metadata(imagej(tmp_path / "a.tif", (5, 4, 6), "ZYX", resolution, **tags))
    assert metadata.voxel_size == pytest.approx(expected)
    assert metadata.interval is None


def test_imagej_interval_has_a_unit(tmp_path: Path) -> None:
    assert read_metadata(imagej(tmp_path / "a.tif", (2, 4, 6), "TYX", finterval=2, tunit="min")).interval == 120


def test_imagej_images_that_are_not_the_product(tmp_path: Path) -> None:
    text = "ImageJ=1.53f\nimages=7\nchannels=2\nslices=5\nhyperstack=true\nunit=um\nspacing=0.5\n"
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((7, 4, 5), "uint16"), description=text, metadata=None)
    metadata = read_metadata(tmp_path / "a.tif")
    assert (metadata.sizes, metadata.file_sizes, metadata.voxel_size) == ({"T": 1, "C": 2, "Z": 5}, {}, {"z": 0.5})


def test_imagej_stack_of_one_ifd(tmp_path: Path) -> None:
    text = "ImageJ=1.53f\nimages=12\nchannels=2\nslices=6\nhyperstack=true\n"
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((1, 4, 5), "uint16"), description=text, metadata=None, byteorder=">")
    with path.open("ab") as file:  # the other planes follow the first, without IFDs
        file.write(bytes(11 * 4 * 5 * 2))
    assert read_metadata(path).sizes == {"T": 1, "C": 2, "Z": 6}


@pytest.mark.skipif(not BEADS.is_file(), reason="the real images are not here")
def test_real_imagej_files_are_read() -> None:
    beads = read_metadata(BEADS)
    assert beads.voxel_size == pytest.approx({"z": 0.125, "y": 0.0225, "x": 0.0225}, rel=1e-3)
    assert beads.sizes == {"T": 1, "C": 1, "Z": 41}
    assert read_metadata(RLF_PSF).voxel_size == pytest.approx({"z": 0.3, "y": 0.3, "x": 0.3}, rel=1e-3)


@pytest.mark.skipif(not DATA.is_dir(), reason="the real images are not here")
def test_resolution_tags_alone_are_not_believed() -> None:
    for name in ("llsm_psf_janelia/mbPSF_560_NAp5nap42_z100nm.tif", "confocal_bia/psf_45cube_offcentre.tif"):
        path = DATA / name
        assert read_metadata(path) == FileMetadata(f"metadata of {path.name}")


@pytest.mark.parametrize("axes", ["TZCYX", "TCZYX", "ZTCYX", "CTZYX", "ZCTYX", "CZTYX"])
def test_ome_written_by_tifffile_is_read(tmp_path: Path, axes: str) -> None:
    sizes = {"T": 2, "Z": 5, "C": 3, "Y": 4, "X": 6}
    described = {
        "axes": axes,
        "PhysicalSizeX": 104,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.105,
        "PhysicalSizeZ": 0.3,
        "TimeIncrement": 2500,
        "TimeIncrementUnit": "ms",
        "Channel": {"Name": ["GFP", "mCherry", "Cy5"], "ExcitationWavelength": [488, 560.4, 642]},
    }
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, np.zeros([sizes[axis] for axis in axes], "uint16"), ome=True, metadata=described)
    metadata = read_metadata(path)
    assert metadata.voxel_size == pytest.approx({"z": 0.3, "y": 0.105, "x": 0.104})
    assert metadata.interval == 2.5
    assert metadata.axes == axes[:3]
    assert metadata.sizes == metadata.file_sizes == {"T": 2, "C": 3, "Z": 5}
    assert (metadata.channels, metadata.wavelengths) == (("GFP", "mCherry", "Cy5"), (488, 560, 642))


def test_ome_without_values_says_nothing(tmp_path: Path) -> None:
    pixels = 'DimensionOrder="XYZCT" SizeT="1" SizeC="1" SizeZ="3" PhysicalSizeX="0.1" PhysicalSizeXUnit="pixel"'
    metadata = read_metadata(ome_tiff(tmp_path / "a.tif", 3, pixels, "<Channel/>"))
    assert (metadata.voxel_size, metadata.interval, metadata.channels, metadata.wavelengths) == (
        {},
        None,
        ("",),
        (None,),
    )


@pytest.mark.parametrize(
    ("planes", "expected"),
    [
        ([(0, 0, "250"), (0, 1, "150"), (1, 0, "5150"), (2, 0, "25150")], (0, 5, 25)),
        ([(0, 0, "0"), (2, 0, "2000"), (1, 0, "500")], (0, 0.5, 2)),
        ([(0, 0, "-500"), (1, 0, "0"), (2, 0, "500")], (0, 0.5, 1)),
        ([(0, 0, "0"), (2, 0, "2000")], ()),
        ([(0, 0, "0"), (1, 0, "2000"), (2, 0, "2000")], ()),
        ([(0, 0, "0"), (1, 0, "many"), (2, 0, "2000")], ()),
        ([(0, 0, "0"), (1, 0, "1"), (2, 0, "nan")], ()),
        ([(0, 0, "0"), (1, 0, "1"), (2, 0, "2"), (3, 0, "3")], ()),
        ([(0, 0, "0"), (1, 0, "1"), ("last", 0, "2")], ()),
    ],
)
def test_ome_times_are_those_of_the_earliest_planes(
    tmp_path: Path, planes: list[tuple[int | str, int, str]], expected: tuple[float, ...]
) -> None:
    inside = "".join(f'<Plane TheT="{t}" TheC="0" TheZ="{z}" DeltaT="{s}" DeltaTUnit="ms"/>' for t, z, s in planes)
    pixels = 'DimensionOrder="XYZCT" SizeT="3" SizeC="1" SizeZ="2" TimeIncrement="5"'
    metadata = read_metadata(ome_tiff(tmp_path / "a.tif", 6, pixels, "<TiffData/>" + inside))
    assert (metadata.times, metadata.interval) == (pytest.approx(expected), 5)


@pytest.mark.parametrize(("timepoint", "expected"), [("0", (0,)), ("1", ()), ("", ())])
def test_ome_time_of_a_single_timepoint(tmp_path: Path, timepoint: str, expected: tuple[float, ...]) -> None:
    inside = f'<TiffData/><Plane TheT="{timepoint}" TheC="0" TheZ="0" DeltaT="7"/>'
    pixels = 'DimensionOrder="XYZCT" SizeT="1" SizeC="1" SizeZ="2"'
    assert read_metadata(ome_tiff(tmp_path / "a.tif", 2, pixels, inside)).times == expected


def test_order_of_pages_is_what_tiff_data_says(tmp_path: Path) -> None:
    # Micro-Manager writes XYCZT whatever the order of its pages is.
    entries = (
        (page, t, c, z) for page, (t, c, z) in enumerate((t, c, z) for t in (0, 1) for c in (0, 1) for z in (0, 1, 2))
    )
    inside = "".join(f'<TiffData IFD="{i}" FirstT="{t}" FirstC="{c}" FirstZ="{z}"/>' for i, t, c, z in entries)
    pixels = 'DimensionOrder="XYCZT" SizeT="2" SizeC="2" SizeZ="3"'
    metadata = read_metadata(ome_tiff(tmp_path / "a.tif", 12, pixels, inside))
    assert (metadata.axes, metadata.file_sizes) == ("TCZ", {"T": 2, "C": 2, "Z": 3})


def test_pages_listed_in_no_order_have_no_axes(tmp_path: Path) -> None:
    inside = "".join(
        f'<TiffData IFD="{i}" FirstZ="{z}" FirstC="{c}"/>' for i, (z, c) in enumerate([(0, 0), (1, 1), (1, 0), (0, 1)])
    )
    metadata = read_metadata(
        ome_tiff(tmp_path / "a.tif", 4, 'DimensionOrder="XYZCT" SizeT="1" SizeC="2" SizeZ="2"', inside)
    )
    assert (metadata.axes, metadata.sizes) == ("", {"T": 1, "C": 2, "Z": 2})


def _set_of_planes(names: list[str]) -> str:
    """One plane per file, C and Z from the order of the names."""
    return "".join(
        f'<TiffData FirstC="{index // 3}" FirstZ="{index % 3}" IFD="0">'
        f'<UUID FileName="{name}">urn:uuid:{name}</UUID></TiffData>'
        for index, name in enumerate(names)
    )


def test_one_plane_of_a_set(tmp_path: Path) -> None:
    inside = _set_of_planes([f"p{index}.tif" for index in range(6)])
    pixels = 'DimensionOrder="XYZCT" SizeT="1" SizeC="2" SizeZ="3" PhysicalSizeZ="2"'
    metadata = read_metadata(ome_tiff(tmp_path / "p4.tif", 1, pixels, inside))
    assert (metadata.sizes, metadata.file_sizes) == ({"T": 1, "C": 2, "Z": 3}, {"T": 1, "C": 1, "Z": 1})
    renamed = read_metadata(ome_tiff(tmp_path / "renamed.tif", 1, pixels, inside, uuid="urn:uuid:p4.tif"))
    assert renamed.file_sizes == metadata.file_sizes
    unknown = read_metadata(ome_tiff(tmp_path / "unknown.tif", 1, pixels, inside))
    assert (unknown.file_sizes, unknown.voxel_size) == ({}, {"z": 2.0})


def test_a_companion_file_is_read(tmp_path: Path) -> None:
    pixels = 'DimensionOrder="XYZCT" SizeT="1" SizeC="2" SizeZ="3"'
    companion = OME.format(uuid="urn:uuid:c", pixels=pixels, inside=_set_of_planes([f"p{i}.tif" for i in range(6)]))
    (tmp_path / "set.companion.ome").write_text(companion)
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:p4.tif">'
        '<BinaryOnly MetadataFile="set.companion.ome" UUID="urn:uuid:c"/></OME>'
    )
    tifffile.imwrite(
        tmp_path / "p4.tif", np.zeros((1, 4, 5), "uint16"), photometric="minisblack", description=xml, metadata=None
    )
    metadata = read_metadata(tmp_path / "p4.tif")
    assert (metadata.sizes, metadata.file_sizes) == ({"T": 1, "C": 2, "Z": 3}, {"T": 1, "C": 1, "Z": 1})


@pytest.mark.parametrize(
    "pixels",
    [
        'DimensionOrder="XYZ" SizeT="1" SizeC="1" SizeZ="3"',
        'DimensionOrder="XYZCT" SizeT="1" SizeC="1"',
        'DimensionOrder="XYZCT" SizeT="1" SizeC="1" SizeZ="-3"',
        'DimensionOrder="XYZCT" SizeT="1" SizeC="1" SizeZ="many"',
        'DimensionOrder="XYZCT" SizeT="1" SizeC="1" SizeZ="3" <',
        'SizeT="1" SizeC="1" SizeZ="3"',
    ],
)
def test_broken_xml_is_unknown(tmp_path: Path, pixels: str, caplog: pytest.LogCaptureFixture) -> None:
    path = ome_tiff(tmp_path / "a.tif", 3, pixels)
    with caplog.at_level("DEBUG", "lightsheet"):
        assert read_metadata(path) == FileMetadata("metadata of a.tif", is_damaged=True)
    assert "a.tif" in caplog.text


def test_huge_numbers_in_xml_cost_nothing(tmp_path: Path) -> None:
    path = ome_tiff(tmp_path / "a.tif", 3, 'DimensionOrder="XYZCT" SizeT="1" SizeC="1" SizeZ="1000000000000"')
    assert read_metadata(path).sizes["Z"] == 10**12


def test_what_tifffile_remarks_of_a_file_that_is_cut_off_stays_unsaid_in_a_job(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("tifffile"), "level", logging.NOTSET)
    silence_tifffile()
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 30, 30), np.uint16), imagej=True)
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content[: len(content) // 2])
    assert read_metadata(tmp_path / "a.tif").is_damaged
    assert "tifffile" not in {record.name for record in caplog.records}


def test_what_is_no_tiff_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"not really")
    assert read_metadata(tmp_path / "a.tif") == FileMetadata("metadata of a.tif", is_damaged=True)
    assert read_metadata(tmp_path / "absent.tif") == FileMetadata("metadata of absent.tif", is_damaged=True)
