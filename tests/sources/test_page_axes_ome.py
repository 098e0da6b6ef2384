"""Axes of pages as OME's descriptions and MicroManager's tags say them, of one file or a set."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from lightsheet.acquisition.hyperstack import unfold_hyperstack
from lightsheet.system.errors import InputError
from tests.support.hyperstacks import acquired, assert_unfolded, ome_xml, pixels, write_plain
from tests.support.page_files import assert_right, refusal, write_pages

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
    ("describe", "words"),
    [
        (lambda i: {"PositionIndex": i // 8, "SliceIndex": i % 8}, "of several positions"),
        (lambda i: {"Axes": {"laser": i // 8, "z": i % 8}}, "not known: laser"),
        (lambda i: {"FrameIndex": i // 9, "SliceIndex": i % 9}, "pages are T=3, C=1, Z=9 in no order"),
        (lambda i: {"SliceIndex": 23 - i}, "pages are T=1, C=1, Z=24 in no order"),
    ],
)
def test_micromanager_tags_that_make_no_volumes(tmp_path: Path, describe: Callable[[int], object], words: str) -> None:
    assert words in refusal(write_pages(tmp_path / "a.tif", pixels(), describe))


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
    entries = "".join(
        f'<TiffData IFD="{i + first}" FirstC="{i % 2}" FirstZ="{i // 2 % 4}" FirstT="{i // 8}"/>' for i in range(24)
    )
    xml = ome_xml({"T": 3, "C": 2, "Z": 4}).replace("</Pixels>", f"{entries}</Pixels>")
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
