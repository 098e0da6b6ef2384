"""Which pages are which planes: by the metadata of a file, or by the axes that the user says."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tifffile

from lightsheet.acquisition.hyperstack import unfold_hyperstack
from lightsheet.acquisition.model import Acquisition
from lightsheet.system.errors import InputError
from tests.support.hyperstacks import SIZES, acquired, assert_unfolded, ome_xml, pixels, write_ome, write_plain

CZT = [f"{axes}YX" for axes in ("TZC", "TCZ", "ZTC", "CTZ", "ZCT", "CZT")]


@pytest.mark.parametrize("axes", CZT)
def test_ome_tiff_in_any_order(tmp_path: Path, axes: str) -> None:
    image = pixels(axes)
    assert_unfolded(unfold_hyperstack(acquired([[write_ome(tmp_path / "a.tif", image, axes)]])), image, axes)


@pytest.mark.parametrize("axes", CZT)
def test_explicit_axes_with_and_without_metadata(tmp_path: Path, axes: str) -> None:
    image = pixels(axes)
    ome = acquired([[write_ome(tmp_path / "a.tif", image, axes)]])
    assert_unfolded(unfold_hyperstack(ome, axes), image, axes)
    plain = acquired([[write_plain(tmp_path / "b.tif", image)]])
    numbered = "".join(f"{axis}{SIZES[axis] if axis != 'T' else ''}" for axis in axes[:3]) + "YX"
    assert_unfolded(unfold_hyperstack(plain, numbered), image, axes)
    with pytest.raises(InputError, match=r"b.tif: its 24 pages are not whole volumes by input.axes .*TZ50C2YX"):
        unfold_hyperstack(plain, axes)


def test_explicit_axes_leave_one_number_to_the_pages(tmp_path: Path) -> None:
    image = pixels("ZCYX")
    plain = acquired([[write_plain(tmp_path / "b.tif", image)]])
    assert_unfolded(unfold_hyperstack(plain, "ZC2YX"), image[None], "TZCYX")
    with pytest.raises(InputError, match="its 8 pages are not whole volumes"):
        unfold_hyperstack(plain, "ZC3YX")
    with pytest.raises(InputError, match="its 8 pages are not whole volumes"):
        unfold_hyperstack(plain, "Z5C2YX")


def test_explicit_order_overrides_that_of_the_metadata(tmp_path: Path) -> None:
    image = pixels("TCZYX")
    path = write_plain(tmp_path / "a.tif", image, "ImageJ=1.53f\nimages=24\nchannels=2\nslices=4\nframes=3\n")
    assert_unfolded(unfold_hyperstack(acquired([[path]]), "TCZYX"), image, "TCZYX")


@pytest.mark.parametrize("axes", ["XYZ", "TZC", "ZZYX", "YX", "zyx", "TZCYXS", "Z0C2YX", ""])
def test_axes_that_cannot_be_understood(tmp_path: Path, axes: str) -> None:
    with pytest.raises(InputError, match=r"input.axes .*write auto, or the order of the pages"):
        unfold_hyperstack(acquired([[tmp_path / "a.tif"]]), axes)


def test_one_volume_per_file_stays_as_it_is(tmp_path: Path) -> None:
    image = pixels("ZYX")
    plain = acquired([[write_plain(tmp_path / "a.tif", image)]])
    assert unfold_hyperstack(plain) is plain
    ome = acquired([[write_ome(tmp_path / "b.tif", image, "ZYX")]])
    assert unfold_hyperstack(ome) is ome


def test_timepoints_may_be_declared_to_be_planes(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels("TYX", T=7), imagej=True, metadata={"axes": "TYX"})
    acquisition = acquired([[path]])
    with pytest.raises(InputError, match=r"ImageJ tags of a.tif says T=7, C=1, Z=1.*set input.axes: ZYX"):
        unfold_hyperstack(acquisition)
    assert unfold_hyperstack(acquisition, "ZYX") is acquisition


def test_roll_over_with_a_file_missing(tmp_path: Path) -> None:
    xml = ome_xml({"T": 3, "C": 2, "Z": 4}, [("a.tif", 10), ("a_1.tif", 14)])
    path = write_plain(tmp_path / "a.tif", pixels().reshape(24, 5, 6)[:10], xml)
    with pytest.raises(InputError, match=r"a.tif has 10 pages, but OME-XML of a.tif describes 24 \(T=3, C=2, Z=4\)"):
        unfold_hyperstack(acquired([[path]]))


def test_set_of_as_many_timepoints_as_channels(tmp_path: Path) -> None:
    def write(files: Sequence[tuple[str, int]]) -> Acquisition:
        xml = ome_xml({"T": 2, "C": 2, "Z": 4}, files)
        paths = [write_plain(tmp_path / f"{i}.tif", pixels("ZCYX"), xml) for i in range(2)]
        return acquired([[path] for path in paths])

    with pytest.raises(InputError, match=r"0.tif has 8 pages, but OME-XML of 0.tif describes 16"):
        unfold_hyperstack(write([]))
    unfolded = unfold_hyperstack(write([("0.tif", 8), ("1.tif", 8)]))
    assert (unfolded.timepoints, unfolded.channels) == (2, ("ch0", "ch1"))


def test_more_pages_than_the_metadata_describes_are_refused(tmp_path: Path) -> None:
    path = write_plain(tmp_path / "a.tif", np.zeros((5, 5, 6), "uint8"), ome_xml({"T": 1, "C": 1, "Z": 4}))
    acquisition = acquired([[path]])
    with pytest.raises(InputError, match=r"a.tif has 5 pages, but OME-XML of a.tif describes 4 .*input.axes"):
        unfold_hyperstack(acquisition)
    assert unfold_hyperstack(acquisition, "ZYX") is acquisition


@pytest.mark.parametrize("sizes", ["slices=4", "channels=2\nslices=4"])
def test_imagej_numbers_that_are_not_those_of_the_pages(tmp_path: Path, sizes: str) -> None:
    path = write_plain(tmp_path / "a.tif", np.zeros((5, 5, 6), "uint8"), f"ImageJ=1.53f\nimages=5\n{sizes}\n")
    with pytest.raises(InputError, match=r"a.tif has 5 pages, but ImageJ tags of a.tif describes"):
        unfold_hyperstack(acquired([[path]]))


def test_damaged_metadata_asks_for_the_axes(tmp_path: Path) -> None:
    path = write_plain(tmp_path / "a.tif", np.zeros((4, 5, 6), "uint8"), "<OME><Image></OME>")
    acquisition = acquired([[path]])
    with pytest.raises(InputError, match=r"a.tif: its metadata is damaged.*set input.axes: ZYX"):
        unfold_hyperstack(acquisition)
    assert unfold_hyperstack(acquisition, "ZYX") is acquisition
    path.write_bytes(b"no TIFF")
    with pytest.raises(InputError, match=r"a.tif: cannot be read as TIFF"):
        unfold_hyperstack(acquisition)


def test_planes_that_hold_channels_are_unfolded_by_their_axes(tmp_path: Path) -> None:
    image = pixels("ZCYX")
    paths = [write_ome(tmp_path / f"z{z}.tif", plane, "CYX") for z, plane in enumerate(image)]
    assert_unfolded(unfold_hyperstack(acquired([paths]), "ZCYX"), image[None])
    with pytest.raises(InputError, match=r"z0.tif with 3 more: its 8 pages are not whole volumes"):
        unfold_hyperstack(acquired([paths]), "CZYX")
    with pytest.raises(InputError, match=r"z0.tif with 3 more has 8 pages, but OME-XML of z0.tif describes 2"):
        unfold_hyperstack(acquired([paths]))


def test_pages_listed_in_no_order_are_refused(tmp_path: Path) -> None:
    places = [(0, 0), (1, 1), (1, 0), (0, 1)]
    data = "".join(f'<TiffData IFD="{i}" FirstZ="{z}" FirstC="{c}"/>' for i, (z, c) in enumerate(places))
    xml = ome_xml({"T": 1, "C": 2, "Z": 2}).replace("></Pixels>", f">{data}</Pixels>")
    path = write_plain(tmp_path / "a.tif", np.zeros((4, 5, 6), "uint8"), xml)
    with pytest.raises(InputError, match=r"OME-XML of a.tif lists the pages in an order"):
        unfold_hyperstack(acquired([[path]]))
