"""What files of many writers say of the order of their pages, against the arrays that were written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from lightsheet.acquisition.hyperstack import unfold_hyperstack
from lightsheet.system.errors import InputError
from tests.support.hyperstacks import acquired, assert_unfolded, ome_xml, pixels, write_plain

ORDERS = ["TZCYX", "TCZYX", "ZTCYX", "CTZYX", "ZCTYX", "CZTYX"]


def assert_right(path: Path, image: np.ndarray, axes: str = "TCZYX") -> None:
    assert_unfolded(unfold_hyperstack(acquired([[path]])), image, axes)


def refusal(path: Path) -> str:
    acquisition = acquired([[path]])
    with pytest.raises(InputError, match=r"set input.axes: ZYX if its pages are the planes of one volume") as error:
        unfold_hyperstack(acquisition)
    assert unfold_hyperstack(acquisition, "ZYX") is acquisition  # as it advises
    return str(error.value)


def write_pages(
    path: Path, image: np.ndarray, describe: Callable[[int], object], code: int = 51123, first: str | None = None
) -> Path:
    """Write pages with a text each: in Micro-Manager's tag, or as its description (270)."""
    with tifffile.TiffWriter(path) as file:
        for index, page in enumerate(image.reshape(-1, *image.shape[-2:])):
            text = described if isinstance(described := describe(index), str) else json.dumps(described)
            tags = [] if code == 270 else [(code, "s", None, text, True)]
            described = text if code == 270 else None if index else first
            file.write(page, contiguous=False, metadata=None, description=described, extratags=tags)
    return path


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
    ("axes", "written", "said"),
    [
        ("CZYX", None, r"(2, 4, 5, 6), and not which of T, C and Z"),
        ("TCZYX", None, r"(3, 2, 4, 5, 6), and not which"),
        ("CZYX", "PZYX", r"(2, 4, 5, 6) PZYX, and not which"),
        ("CZYX", "QZYX", r"(2, 4, 5, 6) QZYX, and not which"),
        ("ZYX", "TYX", "T=4, C=1, Z=1, volumes of a single plane"),
        ("ZYX", "CYX", "T=1, C=4, Z=1, volumes of a single plane"),
    ],
)
def test_shaped_axes_that_leave_it_open(tmp_path: Path, axes: str, written: str | None, said: str) -> None:
    metadata = {"axes": written} if written else {}
    tifffile.imwrite(tmp_path / "a.tif", pixels(axes), metadata=metadata, photometric="minisblack")
    assert said in refusal(tmp_path / "a.tif")


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
    said = "it has 8 pages, but says that they are (4, 5, 6)" if kind == "plain" else "holds 2 images"
    assert said in refusal(tmp_path / "a.tif")
    assert_unfolded(unfold_hyperstack(acquired([[tmp_path / "a.tif"]]), "C2ZYX"), pixels("CZYX")[None], "TCZYX")


NAMES = ["GFP", "mCherry"]
GENERATIONS: dict[str, Callable[[int, int, int], object]] = {
    "1.3": lambda t, c, z: {"Frame": t, "Channel": NAMES[c], "Slice": z},
    "1.4": lambda t, c, z: {"FrameIndex": t, "ChannelIndex": c, "SliceIndex": z, "Channel": "GFP", "Slice": 0},
    "2.0": lambda t, c, z: {"FrameIndex": t, "ChannelIndex": c, "SliceIndex": z, "PositionIndex": 3},
    "scalars": lambda t, c, z: {
        "FrameIndex": {"scalar": t},
        "ChannelIndex": {"scalar": c},
        "SliceIndex": {"scalar": z},
    },
    "NDTiff": lambda t, c, z: {"Axes": {"time": t, "channel": NAMES[c], "z": z}, "Frame": 0},
}


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("axes", ["TZCYX", "TCZYX", "CTZYX"])
def test_micromanager_tags(tmp_path: Path, generation: str, axes: str) -> None:
    image = pixels(axes)
    places = [dict(zip(axes, place, strict=False)) for place in np.ndindex(image.shape[:3])]
    describe = GENERATIONS[generation]
    write_pages(tmp_path / "a.tif", image, lambda i: describe(*(places[i][axis] for axis in "TCZ")))
    assert_right(tmp_path / "a.tif", image, axes)


@pytest.mark.parametrize(
    ("describe", "said"),
    [
        (lambda i: {"PositionIndex": i // 8, "SliceIndex": i % 8}, "of several positions"),
        (lambda i: {"Axes": {"laser": i // 8, "z": i % 8}}, "not known: laser"),
        (lambda i: {"FrameIndex": i // 9, "SliceIndex": i % 9}, "pages are T=3, C=1, Z=9 in no order"),
        (lambda i: {"SliceIndex": 23 - i}, "pages are T=1, C=1, Z=24 in no order"),
    ],
)
def test_micromanager_tags_that_make_no_volumes(tmp_path: Path, describe: Callable[[int], object], said: str) -> None:
    assert said in refusal(write_pages(tmp_path / "a.tif", pixels(), describe))


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("counts", [(8, 8, 8), (10, 14), (1, 22, 1), (4, 20)])
@pytest.mark.parametrize("has_ome", [False, True])
def test_micromanager_tags_over_several_files(
    tmp_path: Path, generation: str, counts: tuple[int, ...], has_ome: bool
) -> None:
    """The first file alone would be whole timepoints, or no whole ones: what follows counts as well."""
    image = pixels()
    places = list(np.ndindex(image.shape[:3]))
    names = [f"x_MMStack{f'_{i}' if i else ''}.tif" for i in range(len(counts))]
    xml = ome_xml({"T": 3, "C": 2, "Z": 4}, list(zip(names, counts, strict=True)))
    paths = []
    for number, (name, end) in enumerate(zip(names, np.cumsum(counts), strict=True)):
        begin = end - counts[number]
        texts = [GENERATIONS[generation](t, c, z) for t, z, c in places[begin:end]]
        first = xml if has_ome and not number else None
        paths.append(write_pages(tmp_path / name, image.reshape(24, 5, 6)[begin:end], texts.__getitem__, first=first))
    assert_unfolded(unfold_hyperstack(acquired([paths])), image)


def test_micromanager_tags_of_a_movie_that_was_stopped(tmp_path: Path) -> None:
    """The last file ends within a volume."""
    describe = GENERATIONS["1.4"]
    paths = [
        write_pages(tmp_path / f"{t}.tif", pixels("ZYX", Z=4 - t), lambda i, t=t: describe(t, 0, i)) for t in range(2)
    ]
    with pytest.raises(InputError, match=r"0\.tif: .* 7 pages are T=2, C=1, Z=4 in no order .*; set input\.axes"):
        unfold_hyperstack(acquired([paths]))


def test_a_set_of_which_the_last_file_is_missing(tmp_path: Path) -> None:
    xml = ome_xml({"T": 3, "C": 1, "Z": 4}, [(f"{t}.tif", 4) for t in range(3)])
    describe = GENERATIONS["1.4"]
    paths = [
        write_pages(tmp_path / f"{t}.tif", pixels("ZYX"), lambda i, t=t: describe(t, 0, i), first=None if t else xml)
        for t in range(2)
    ]
    with pytest.raises(
        InputError, match=r"0\.tif with 1 more has 8 pages, but OME-XML of 0\.tif describes 12 .*; copy"
    ):
        unfold_hyperstack(acquired([paths]))


def test_a_part_without_tags_among_others(tmp_path: Path) -> None:
    write_pages(tmp_path / "0.tif", pixels("ZYX"), lambda i: GENERATIONS["2.0"](0, 0, i))
    write_plain(tmp_path / "1.tif", pixels("ZYX"))
    with pytest.raises(InputError, match=r"0\.tif: Micro-Manager's tags tell of 4 of its 8 pages; set input\.axes"):
        unfold_hyperstack(acquired([[tmp_path / "0.tif", tmp_path / "1.tif"]]))


@pytest.mark.parametrize("axes", ["TZYX", "CZYX"])
def test_a_part_that_is_a_hyperstack_of_its_own(tmp_path: Path, axes: str) -> None:
    write_plain(tmp_path / "0.tif", pixels("ZYX"))
    tifffile.imwrite(tmp_path / "1.tif", pixels(axes), metadata={"axes": axes}, photometric="minisblack")
    with pytest.raises(
        InputError, match=rf"metadata of 1\.tif says .*{axes[0]}=\d, .*unlike the file that it continues"
    ):
        unfold_hyperstack(acquired([[tmp_path / "0.tif", tmp_path / "1.tif"]]))


@pytest.mark.parametrize("files", [[], [("a.tif", 24)], [("a.tif", 12), ("b.tif", 12)]])
def test_micromanager_tags_beside_ome(tmp_path: Path, files: list[tuple[str, int]]) -> None:
    image = pixels("TCZYX")
    xml = ome_xml({"T": 3, "C": 2, "Z": 4}, files, "XYCZT")  # its DimensionOrder, not that of the pages
    describe = GENERATIONS["1.4"]
    path = write_pages(tmp_path / "a.tif", image, lambda i: describe(i // 8, i // 4 % 2, i % 4), first=xml)
    if files == [("a.tif", 24)]:
        assert "OME-XML of a.tif says that its pages are T=3, Z=4, C=2, Micro-Manager's tags" in refusal(path)
    else:
        assert_right(path, image)


def test_ome_of_a_renamed_file(tmp_path: Path) -> None:
    image = pixels("TCZYX")
    xml = ome_xml({"T": 3, "C": 2, "Z": 4}, [("before.tif", 24)], "XYZCT").replace('"XYZCT"', '"XYCZT"')
    assert_right(write_plain(tmp_path / "after.tif", image, xml), image)


def test_ome_planes_that_run_backwards(tmp_path: Path) -> None:
    data = "".join(f'<TiffData IFD="{i}" FirstZ="{7 - i}"/>' for i in range(8))
    xml = ome_xml({"T": 1, "C": 1, "Z": 8}).replace("></Pixels>", f">{data}</Pixels>")
    assert "lists the pages in an order" in refusal(write_plain(tmp_path / "a.tif", pixels("CZYX"), xml))


@pytest.mark.parametrize("first", [1, 5])
def test_ome_whose_pages_do_not_begin_with_the_first(tmp_path: Path, first: int) -> None:
    listed = "".join(
        f'<TiffData IFD="{i + first}" FirstC="{i % 2}" FirstZ="{i // 2 % 4}" FirstT="{i // 8}"/>' for i in range(24)
    )
    xml = ome_xml({"T": 3, "C": 2, "Z": 4}).replace("</Pixels>", f"{listed}</Pixels>")
    assert "OME-XML of a.tif leaves out some of the pages before 23" in refusal(
        write_plain(tmp_path / "a.tif", pixels("TZCYX"), xml)
    )


def test_ome_that_is_cut_off(tmp_path: Path) -> None:
    assert "its OME-XML is cut off" in refusal(write_plain(tmp_path / "a.tif", pixels("CZYX"), "<?xml ?><OME><Image>"))


def test_ome_of_an_axis_inside_another(tmp_path: Path) -> None:
    xml = ome_xml({"T": 1, "C": 1, "Z": 8}).replace("</Image>", '</Image><a><ModuloAlongZ Type="angle"/></a>')
    assert "says that angle lies along Z" in refusal(write_plain(tmp_path / "a.tif", pixels("CZYX"), xml))


def test_half_of_a_set_that_could_be_all_of_a_channel(tmp_path: Path) -> None:
    path = write_plain(
        tmp_path / "a.tif",
        pixels()[:2].reshape(16, 5, 6)[:12],
        ome_xml({"T": 3, "C": 2, "Z": 4}, [("a.tif", 12), ("b.tif", 12)]),
    )
    with pytest.raises(InputError, match=r"a.tif has 12 pages, but OME-XML of a.tif describes 24"):
        unfold_hyperstack(acquired([[path]]))


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
