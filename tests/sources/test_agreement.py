"""Files of which one in the middle says something else of itself than the typical one: never read as if it did not."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from lightsheet.sources import list_facts, read_metadata, refuse_other_facts
from lightsheet.system import InputError
from tests.support.hyperstacks import pixels, write_ome, write_plain

SIZE = {"PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1, "PhysicalSizeZ": 0.3}
NAMES = {"Channel": {"Name": ["GFP", "RFP"]}}


def compare(typical: Path, other: Path, *, is_auto: bool = True, has_override: bool = False) -> None:
    metadata = read_metadata(typical)
    facts = list_facts(metadata, [typical], None if has_override else metadata.voxel_size, is_auto=is_auto)
    refuse_other_facts([(str(typical), None)], facts)
    refuse_other_facts([(str(other), None)], facts)


@pytest.fixture
def typical(tmp_path: Path) -> Path:
    return write_ome(tmp_path / "a.tif", pixels("ZCYX"), "ZCYX", **SIZE, **NAMES)


@pytest.mark.parametrize(
    ("axes", "described", "words"),
    [
        ("CZYX", {**SIZE, **NAMES}, r"b\.tif: its pages are C=2, Z=4, slowest first .* those of .*a\.tif are Z=4, C=2"),
        ("ZTYX", SIZE, "its pages are Z=4, T=2"),
        ("ZCYX", {**SIZE, "Channel": {"Name": ["RFP", "GFP"]}}, "its channels are 'RFP', 'GFP' .* 'GFP', 'RFP'; leave"),
        (
            "ZCYX",
            {**SIZE, **NAMES, "PhysicalSizeZ": 0.5},
            r"its voxels have z = 0\.5 um .* voxel_size\.z is 0\.3 um, .*; leave .*override",
        ),
        ("ZCYX", {**SIZE, **NAMES, "PhysicalSizeX": 0.1, "PhysicalSizeXUnit": "nm"}, r"x = 0\.0001 um"),
    ],
)
def test_what_differs_is_named(tmp_path: Path, typical: Path, axes: str, described: dict[str, Any], words: str) -> None:
    sizes = {"T": 2} if "T" in axes else {}
    other = write_ome(tmp_path / "b.tif", pixels(axes, **sizes), axes, **described)
    with pytest.raises(InputError, match=words):
        compare(typical, other)


def test_a_file_that_says_nothing_of_its_channels_among_others_that_do(tmp_path: Path, typical: Path) -> None:
    with pytest.raises(InputError, match=r"b\.tif: its pages are planes of one volume by what it says"):
        compare(typical, write_plain(tmp_path / "b.tif", pixels("ZCYX")))


def test_damaged_metadata_is_no_agreement(tmp_path: Path, typical: Path) -> None:
    other = write_plain(tmp_path / "b.tif", pixels("ZCYX"), "<?xml version='1.0'?><OME><Image><Pixels></OME>")
    with pytest.raises(InputError, match=r"b\.tif: its metadata is damaged"):
        compare(typical, other)
    compare(typical, other, is_auto=False)


@pytest.mark.parametrize("order", ["TZYX", "ZTYX"])
def test_a_hyperstack_among_stacks_is_refused(tmp_path: Path, order: str) -> None:
    typical = write_plain(tmp_path / "a.tif", pixels("TZYX"))
    sizes = dict(zip("TZYX", pixels("TZYX").shape, strict=True))
    tifffile.imwrite(tmp_path / "b.tif", pixels(order, **sizes), metadata={"axes": order}, photometric="minisblack")
    with pytest.raises(InputError, match=r"b\.tif: its pages are [TZ]=\d, [TZ]=\d, slowest first"):
        compare(typical, tmp_path / "b.tif")
    compare(typical, tmp_path / "b.tif", is_auto=False)


def test_what_is_alike_or_rounded_or_not_said_is_not_refused(tmp_path: Path, typical: Path) -> None:
    rounded = {**SIZE, "PhysicalSizeX": 0.1005}
    compare(typical, write_ome(tmp_path / "b.tif", pixels("ZCYX") + 1, "ZCYX", **rounded, **NAMES))
    compare(typical, write_ome(tmp_path / "c.tif", pixels("ZCYX"), "ZCYX"))
    other = write_ome(tmp_path / "d.tif", pixels("ZCYX"), "ZCYX", **{**SIZE, "PhysicalSizeZ": 0.5}, **NAMES)
    compare(typical, other, has_override=True)


def test_a_channel_of_its_own_file_may_have_its_own_name(tmp_path: Path) -> None:
    paths = [
        write_ome(tmp_path / f"{name}.tif", pixels("ZYX"), "ZYX", Channel={"Name": [name]}) for name in ("GFP", "RFP")
    ]
    compare(*paths)


def test_a_series_for_each_page_is_a_stack(tmp_path: Path) -> None:
    typical = write_plain(tmp_path / "a.tif", pixels("ZYX"))
    with tifffile.TiffWriter(tmp_path / "b.tif") as file:
        for plane in pixels("ZYX"):
            file.write(plane, photometric="minisblack", contiguous=False)
    compare(typical, tmp_path / "b.tif")
    assert np.array_equal(tifffile.imread(tmp_path / "b.tif", key=slice(None)), pixels("ZYX"))


def tag(path: Path, planes: np.ndarray, places: list[tuple[int, int, int]]) -> Path:
    with tifffile.TiffWriter(path) as file:
        for plane, (t, c, z) in zip(planes.reshape(-1, *planes.shape[-2:]), places, strict=True):
            text = json.dumps({"FrameIndex": t, "ChannelIndex": c, "SliceIndex": z})
            file.write(plane, contiguous=False, metadata=None, extratags=[(51123, "s", None, text, True)])
    return path


def test_pages_of_a_volume_that_lie_in_some_of_several_files(tmp_path: Path) -> None:
    """What a file of a set says is less than the set: of the pages of a volume, their own tags count."""
    order = list(np.ndindex(3, 2, 4))
    paths = [tag(tmp_path / f"{i}.tif", pixels("TCZYX")[0, 0][[0] * 12], order[12 * i : 12 * i + 12]) for i in range(2)]
    facts = list_facts(read_metadata(*paths), paths, None, is_auto=True)
    assert facts["order"] == "T=3, C=2, Z=4, slowest first"
    for t, c in np.ndindex(3, 2):
        place = 8 * t + 4 * c
        pieces = [(str(paths[place // 12]), (place % 12, place % 12 + 4, 1, 12))]
        refuse_other_facts(pieces, facts)
    with pytest.raises(InputError, match=r"0\.tif: .* pages that should be of one volume are of the channels 0 and 1"):
        refuse_other_facts([(str(paths[0]), (2, 6, 1, 12))], facts)
