"""What files of many writers say of the order of their pages, against the arrays that were written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tifffile

from lightsheet.acquisition.hyperstack import unfold_hyperstack
from lightsheet.system.errors import InputError
from tests.support.hyperstacks import acquired, assert_unfolded, pixels, write_plain
from tests.support.page_files import assert_right, refusal, write_pages

ORDERS = ["TZCYX", "TCZYX", "ZTCYX", "CTZYX", "ZCTYX", "CZTYX"]


@pytest.mark.parametrize("axes", ORDERS)
@pytest.mark.parametrize("form", ["{}", "xy{}", "xy{}(default)"])
def test_imagej_says_its_order(tmp_path: Path, axes: str, form: str) -> None:
    order = form.format(axes[2::-1].lower())
    text = f"ImageJ=1.53t\nimages=24\nchannels=2\nslices=4\nframes=3\nhyperstack=true\norder={order}\n"
    image = pixels(axes)
    assert_right(write_plain(tmp_path / "a.tif", image, text), image, axes)


def test_imagej_says_an_order_that_is_none(tmp_path: Path) -> None:
    text = "ImageJ=1.53t\nimages=8\nchannels=2\nslices=4\nhyperstack=true\norder=abc\n"
    assert "the order of its pages is 'abc'" in refusal(write_plain(tmp_path / "a.tif", pixels("CZYX"), text))


@pytest.mark.parametrize(("images", "planes"), [(8, True), (1, True), (4, False)])
def test_imagej_counts_images_alone(tmp_path: Path, images: int, planes: bool) -> None:
    path = write_plain(tmp_path / "a.tif", pixels("CZYX"), f"ImageJ=1.53t\nimages={images}\n")
    acquisition = acquired([[path]])
    if planes:
        assert unfold_hyperstack(acquisition) is acquisition
    else:
        with pytest.raises(InputError, match=r"a.tif has 8 pages, but ImageJ tags of a.tif describes 4"):
            unfold_hyperstack(acquisition)


@pytest.mark.parametrize("axes", ORDERS)
@pytest.mark.parametrize("written", [{}, {"compression": "zlib"}, {"bigtiff": True}])
def test_axes_described_by_tifffile_are_followed(tmp_path: Path, axes: str, written: dict[str, Any]) -> None:
    image = pixels(axes)
    tifffile.imwrite(tmp_path / "a.tif", image, metadata={"axes": axes}, photometric="minisblack", **written)
    assert_right(tmp_path / "a.tif", image, axes)


@pytest.mark.parametrize(
    ("axes", "written", "words"),
    [
        ("CZYX", None, r"(2, 4, 5, 6), and not which of T, C and Z"),
        ("TCZYX", None, r"(3, 2, 4, 5, 6), and not which"),
        ("CZYX", "PZYX", r"(2, 4, 5, 6) PZYX, and not which"),
        ("CZYX", "QZYX", r"(2, 4, 5, 6) QZYX, and not which"),
        ("ZYX", "TYX", "T=4, C=1, Z=1, volumes of a single plane"),
        ("ZYX", "CYX", "T=1, C=4, Z=1, volumes of a single plane"),
    ],
)
def test_shaped_axes_that_leave_it_open(tmp_path: Path, axes: str, written: str | None, words: str) -> None:
    metadata = {"axes": written} if written else {}
    tifffile.imwrite(tmp_path / "a.tif", pixels(axes), metadata=metadata, photometric="minisblack")
    assert words in refusal(tmp_path / "a.tif")


@pytest.mark.parametrize("axes", [None, "ZYX", "QYX", "IYX"])
@pytest.mark.parametrize("ones", [0, 2])
def test_planes_described_by_tifffile_are_one_volume(tmp_path: Path, axes: str | None, ones: int) -> None:
    metadata = {"axes": "TC"[:ones] + axes} if axes else {}
    image = pixels("ZYX").reshape((1,) * ones + (4, 5, 6))
    tifffile.imwrite(tmp_path / "a.tif", image, metadata=metadata, photometric="minisblack")
    acquisition = acquired([[tmp_path / "a.tif"]])
    assert unfold_hyperstack(acquisition) is acquisition


@pytest.mark.parametrize("contiguous", [False, True])
def test_shaped_image_of_each_page(tmp_path: Path, contiguous: bool) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in pixels("ZYX"):
            file.write(page, contiguous=contiguous)
    acquisition = acquired([[tmp_path / "a.tif"]])
    assert unfold_hyperstack(acquisition) is acquisition


@pytest.mark.parametrize("kind", ["", "ome", "plain"])
def test_several_images_in_one_file(tmp_path: Path, kind: str) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif", ome=kind == "ome") as file:
        for index, volume in enumerate(pixels("CZYX")):
            metadata = None if kind == "plain" and index else {}
            file.write(volume, photometric="minisblack", metadata=metadata)
    words = "it has 8 pages, but says that they are (4, 5, 6)" if kind == "plain" else "holds 2 images"
    assert words in refusal(tmp_path / "a.tif")
    assert_unfolded(unfold_hyperstack(acquired([[tmp_path / "a.tif"]]), "C2ZYX"), pixels("CZYX")[None], "TCZYX")


@pytest.mark.parametrize(
    "text",
    [
        "channels=2\nslices=4",
        "SizeC: 2 SizeZ: 4",
        "Number of channels: 2",
        "n_frames = 8",
        "slices=4",
        "timepoints: 2",
        '{"axes": "CZYX"}',
        '{"dims": ["channel", "slice", "y", "x"]}',
        "DimensionOrder: XYZCT",
        "axes: PZYX",
        '<OME><Pixels SizeC="2" SizeZ="4"',
        "<MetaData><SizeC>2</SizeC></MetaData>",
        "state.acq.numberOfChannels=2",
        "num_channels 2",
        "T=1, C=2, Z=4",
        "order=zct",
        "dims: (channel, z, y, x)",
        "Channel names: GFP;RFP",
        "channels = ['GFP', 'RFP']",
        "SI.hChannels.channelSave = [1;2]",
        "2 channels",
        "4 time points",
        "Dual-colour movie",
        "views=2",
    ],
)
def test_descriptions_of_nobody_knows_whom(tmp_path: Path, text: str) -> None:
    assert "which is not understood" in refusal(write_plain(tmp_path / "a.tif", pixels("CZYX"), text))


@pytest.mark.parametrize(
    "text",
    [
        "channels=1\nslices=8",
        "DimensionOrder=XYCZT SizeC=1 SizeT=1 SizeZ=8",
        "axes: ZYX",
        '{"dims": ["plane", "y", "x"]}',
        "exposure: 10 ms, frame rate: 40, channel: 488",
        "sort order: ascending",
        "488 channel, 2 lasers: 488, 561",
        "Channels: GFP, exposure=10",
        "channel names: GFP",
        "T=37, gain C",
        "positions: 3",
        "position = 2",
        "dims: (z, y, x)",
        "1 channels, 1 time point",
        "",
    ],
)
def test_descriptions_of_planes(tmp_path: Path, text: str) -> None:
    acquisition = acquired([[write_plain(tmp_path / "a.tif", pixels("CZYX"), text)]])
    assert unfold_hyperstack(acquisition) is acquisition


@pytest.mark.parametrize(
    "describe",
    [lambda i: f"Channel: {i // 4 + 1}\nSlice: {i % 4 + 1}", lambda i: {"c": i // 4, "z": i % 4, "t": 0.1 * i}],
)
def test_a_description_of_each_page(tmp_path: Path, describe: Callable[[int], object]) -> None:
    image = pixels("CZYX")
    assert_right(write_pages(tmp_path / "a.tif", image, describe, 270), image[None])


def test_a_description_of_each_page_that_makes_no_volumes(tmp_path: Path) -> None:
    path = write_pages(tmp_path / "a.tif", pixels("CZYX"), lambda i: f"channel={i % 3}, z={i // 3}", 270)
    assert "pages are T=1, C=3, Z=3 in no order" in refusal(path)
