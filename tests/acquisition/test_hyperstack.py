from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tifffile

from lightsheet.acquisition import hyperstack
from lightsheet.acquisition.discovery import discover
from lightsheet.acquisition.model import Acquisition, Piece, Tile, Volume
from lightsheet.sources.tiff_stack import open_stack
from lightsheet.system.errors import InputError

SIZES = {"T": 3, "C": 2, "Z": 4, "Y": 5, "X": 6}
CZT = [f"{axes}YX" for axes in ("TZC", "TCZ", "ZTC", "CTZ", "ZCT", "CZT")]


def pixels(axes: str = "TZCYX", **sizes: int) -> np.ndarray:
    """Every voxel different."""
    shape = [(SIZES | sizes)[axis] for axis in axes]
    return np.arange(np.prod(shape), dtype="uint16").reshape(shape)


def acquired(
    files: Sequence[Sequence[Path]], channels: tuple[str, ...] = ("ch0",), seconds: tuple[float, ...] | None = None
) -> Acquisition:
    """What the names of these files tell: each tuple of pieces a volume, by timepoint, then channel."""
    timepoints = len(files) // len(channels)
    volumes = [
        Volume(
            channels[index % len(channels)],
            index // len(channels),
            seconds[index // len(channels)] if seconds else None,
            (Tile((0, 0, 0), tuple(map(Piece, pieces))),) if pieces else (),
        )
        for index, pieces in enumerate(files)
    ]
    return Acquisition(
        folder=Path("data"),
        channels=channels,
        wavelengths=dict.fromkeys(channels),
        timepoints=timepoints,
        grid=(1, 1, 1),
        seconds=seconds,
        volumes=tuple(volumes),
        excluded_files=(),
        remarks=(),
    )


def read(volume: Volume) -> np.ndarray:
    """The planes of a volume of one tile, page by page."""
    planes = []
    for path, pages in volume.tiles[0].pieces:
        with tifffile.TiffFile(path) as file:
            planes += [file.pages[page].asarray() for page in (range(len(file.pages)) if pages is None else pages)]
    return np.stack(planes)


def write_ome(path: Path, image: np.ndarray, axes: str, **described: object) -> Path:
    tifffile.imwrite(path, image, ome=True, photometric="minisblack", metadata={"axes": axes, **described})
    return path


def write_plain(path: Path, planes: np.ndarray, description: str | None = None) -> Path:
    text = description.encode() if description else None
    tifffile.imwrite(
        path, planes.reshape(-1, *planes.shape[-2:]), photometric="minisblack", description=text, metadata=None
    )
    return path


def ome_xml(sizes: dict[str, int], files: Sequence[tuple[str, int]] = (), order: str = "XYCZT") -> str:
    """Describe a set of files, each with a number of pages."""
    listed, place = [], 0
    for name, pages in files:
        for page in range(pages):
            rest, first = place, {}
            for axis in order[2:]:
                rest, first[axis] = divmod(rest, sizes[axis])
            firsts = " ".join(f'First{axis}="{index}"' for axis, index in first.items())
            uuid = f'<UUID FileName="{name}">urn:uuid:{name}</UUID>'
            listed.append(f'<TiffData IFD="{page}" PlaneCount="1" {firsts}>{uuid}</TiffData>')
            place += 1
    numbers = " ".join(f'Size{axis}="{size}"' for axis, size in sizes.items())
    return (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image>'
        f'<Pixels DimensionOrder="{order}" {numbers}>{"".join(listed)}</Pixels></Image></OME>'
    )


def assert_unfolded(unfolded: Acquisition, image: np.ndarray, axes: str = "TZCYX") -> None:
    """Compare every volume with the array that was written."""
    image = np.moveaxis(image, [axes.index(axis) for axis in "TCZYX"], range(5))
    assert unfolded.timepoints == len(image)
    places = [(volume.timepoint, unfolded.channels.index(volume.channel)) for volume in unfolded.volumes]
    assert places == list(np.ndindex(image.shape[:2]))
    for volume, (t, c) in zip(unfolded.volumes, places, strict=True):
        np.testing.assert_array_equal(read(volume), image[t, c])


def test_imagej_hyperstack(tmp_path: Path) -> None:
    image = pixels()
    tifffile.imwrite(tmp_path / "a.tif", image, imagej=True, metadata={"axes": "TZCYX", "finterval": 2.5})
    unfolded = hyperstack.unfold_hyperstack(acquired([[tmp_path / "a.tif"]]))
    assert_unfolded(unfolded, image)
    assert unfolded.channels == ("ch0", "ch1")
    assert unfolded.seconds == (0, 2.5, 5)
    assert [volume.seconds for volume in unfolded.volumes] == [0, 0, 2.5, 2.5, 5, 5]
    assert unfolded.remarks == ("The pages of each file are TZC: T=3, C=2, Z=4.",)


@pytest.mark.parametrize("axes", CZT)
def test_ome_tiff_in_any_order(tmp_path: Path, axes: str) -> None:
    image = pixels(axes)
    assert_unfolded(hyperstack.unfold_hyperstack(acquired([[write_ome(tmp_path / "a.tif", image, axes)]])), image, axes)


@pytest.mark.parametrize("axes", CZT)
def test_explicit_axes_with_and_without_metadata(tmp_path: Path, axes: str) -> None:
    image = pixels(axes)
    ome = acquired([[write_ome(tmp_path / "a.tif", image, axes)]])
    assert_unfolded(hyperstack.unfold_hyperstack(ome, axes), image, axes)
    plain = acquired([[write_plain(tmp_path / "b.tif", image)]])
    numbered = "".join(f"{axis}{SIZES[axis] if axis != 'T' else ''}" for axis in axes[:3]) + "YX"
    assert_unfolded(hyperstack.unfold_hyperstack(plain, numbered), image, axes)
    with pytest.raises(InputError, match=r"b.tif: its 24 pages are not whole volumes by input.axes .*TZ50C2YX"):
        hyperstack.unfold_hyperstack(plain, axes)


def test_explicit_axes_leave_one_number_to_the_pages(tmp_path: Path) -> None:
    image = pixels("ZCYX")
    plain = acquired([[write_plain(tmp_path / "b.tif", image)]])
    assert_unfolded(hyperstack.unfold_hyperstack(plain, "ZC2YX"), image[None], "TZCYX")
    with pytest.raises(InputError, match="its 8 pages are not whole volumes"):
        hyperstack.unfold_hyperstack(plain, "ZC3YX")
    with pytest.raises(InputError, match="its 8 pages are not whole volumes"):
        hyperstack.unfold_hyperstack(plain, "Z5C2YX")


def test_explicit_order_overrides_that_of_the_metadata(tmp_path: Path) -> None:
    image = pixels("TCZYX")
    path = write_plain(tmp_path / "a.tif", image, "ImageJ=1.53f\nimages=24\nchannels=2\nslices=4\nframes=3\n")
    assert_unfolded(hyperstack.unfold_hyperstack(acquired([[path]]), "TCZYX"), image, "TCZYX")


@pytest.mark.parametrize("axes", ["XYZ", "TZC", "ZZYX", "YX", "zyx", "TZCYXS", "Z0C2YX", ""])
def test_axes_that_cannot_be_understood(tmp_path: Path, axes: str) -> None:
    with pytest.raises(InputError, match=r"input.axes .*write auto, or the order of the pages"):
        hyperstack.unfold_hyperstack(acquired([[tmp_path / "a.tif"]]), axes)


def test_one_volume_per_file_stays_as_it_is(tmp_path: Path) -> None:
    image = pixels("ZYX")
    plain = acquired([[write_plain(tmp_path / "a.tif", image)]])
    assert hyperstack.unfold_hyperstack(plain) is plain
    ome = acquired([[write_ome(tmp_path / "b.tif", image, "ZYX")]])
    assert hyperstack.unfold_hyperstack(ome) is ome


def test_timepoints_that_are_planes(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels("TYX", T=7), imagej=True, metadata={"axes": "TYX"})
    acquisition = acquired([[path]])
    with pytest.raises(InputError, match=r"ImageJ tags of a.tif says T=7, C=1, Z=1.*set input.axes: ZYX"):
        hyperstack.unfold_hyperstack(acquisition)
    assert hyperstack.unfold_hyperstack(acquisition, "ZYX") is acquisition


def test_channels_of_names_and_of_files(tmp_path: Path) -> None:
    channel = {"Name": ["mCherry/x", "488"], "ExcitationWavelength": [561, 488]}
    paths = [write_ome(tmp_path / f"{i}.tif", pixels("ZCYX") + 100 * i, "ZCYX", Channel=channel) for i in range(4)]
    acquisition = acquired([[path] for path in paths], ("CamA", "CamB"), seconds=(0.0, 30.0))
    unfolded = hyperstack.unfold_hyperstack(acquisition)
    assert unfolded.channels == ("CamA_mCherry-x", "CamA_ch488", "CamB_mCherry-x", "CamB_ch488")
    assert list(unfolded.wavelengths.values()) == [561, 488, 561, 488]
    assert unfolded.seconds == (0, 30)
    assert [volume.channel for volume in unfolded.volumes] == list(unfolded.channels) * 2
    for volume, expected in zip(unfolded.volumes, [(i, c) for i in range(4) for c in range(2)], strict=True):
        np.testing.assert_array_equal(read(volume), pixels("ZCYX")[:, expected[1]] + 100 * expected[0])


def test_channels_named_alike_are_numbered(tmp_path: Path) -> None:
    path = write_ome(tmp_path / "a.tif", pixels("ZCYX"), "ZCYX", Channel={"Name": ["laser", "laser"]})
    assert hyperstack.unfold_hyperstack(acquired([[path]])).channels == ("ch0", "ch1")


def test_timepoints_of_names_and_of_files(tmp_path: Path) -> None:
    image = pixels("TZYX", T=6)
    described = {"TimeIncrement": 10}
    paths = [write_ome(tmp_path / f"{i}.tif", image[3 * i : 3 * i + 3], "TZYX", **described) for i in range(2)]
    acquisition = acquired([[path] for path in paths], ("GFP",), seconds=(0.0, 100.0))
    unfolded = hyperstack.unfold_hyperstack(acquisition)
    assert_unfolded(unfolded, image[:, :, None])
    assert unfolded.channels == ("GFP",)
    assert unfolded.seconds == (0, 10, 20, 100, 110, 120)
    assert hyperstack.unfold_hyperstack(acquired([[path] for path in paths])).seconds == (0, 10, 20, 30, 40, 50)


def timed(times: Sequence[float], planes: int, **described: object) -> dict[str, object]:
    """Describe when the planes of each timepoint were recorded, each 0.1 s after the one before."""
    return {"Plane": {"DeltaT": [time + 0.1 * plane for time in times for plane in range(planes)]}, **described}


def test_times_at_which_a_file_was_recorded(tmp_path: Path) -> None:
    described = timed([3, 8, 28], 8, TimeIncrement=5)
    path = write_ome(tmp_path / "a.tif", pixels(), "TZCYX", **described)
    unfolded = hyperstack.unfold_hyperstack(acquired([[path]]))
    assert unfolded.seconds == (0, 5, 25)
    assert [volume.seconds for volume in unfolded.volumes] == [0, 0, 5, 5, 25, 25]
    assert hyperstack.unfold_hyperstack(acquired([[path]], seconds=(100.0,))).seconds == (100, 105, 125)
    # What was recorded in one file says nothing of the pauses between files.
    assert hyperstack.unfold_hyperstack(acquired([[path], [path]])).seconds == (0, 5, 10, 15, 20, 25)


def test_times_of_a_set_of_one_file_per_timepoint(tmp_path: Path) -> None:
    planes = "".join(f'<Plane TheT="{t}" TheC="0" TheZ="0" DeltaT="{t * t}"/>' for t in range(3))
    xml = ome_xml({"T": 3, "C": 2, "Z": 4}, [(f"{t}.tif", 8) for t in range(3)]).replace("</P", planes + "</P")
    paths = [write_plain(tmp_path / f"{t}.tif", image, xml) for t, image in enumerate(pixels())]
    assert hyperstack.unfold_hyperstack(acquired([[path] for path in paths])).seconds == (0, 1, 4)


def test_times_of_planes_are_not_those_of_volumes(tmp_path: Path) -> None:
    described = timed([0, 1, 3, 4], 1, TimeIncrement=1)
    paths = [write_ome(tmp_path / f"{i}.tif", pixels("TYX", T=4), "TYX", **described) for i in range(4)]
    assert hyperstack.unfold_hyperstack(acquired([[path] for path in paths]), "ZYX").seconds is None


def test_times_that_nobody_knows(tmp_path: Path) -> None:
    path = write_ome(tmp_path / "a.tif", pixels("TZYX"), "TZYX")
    unfolded = hyperstack.unfold_hyperstack(acquired([[path]], seconds=(0.0,)))
    assert unfolded.seconds is None
    assert {volume.seconds for volume in unfolded.volumes} == {None}


def test_interval_of_files_with_one_timepoint_each(tmp_path: Path) -> None:
    paths = [write_ome(tmp_path / f"{i}.tif", pixels("ZYX"), "ZYX", TimeIncrement=7) for i in range(3)]
    unfolded = hyperstack.unfold_hyperstack(acquired([[path] for path in paths]))
    assert unfolded.seconds == (0, 7, 14)
    assert [volume.tiles[0].pieces for volume in unfolded.volumes] == [(Piece(path),) for path in paths]


@pytest.mark.parametrize("counts", [(10, 14), (8, 8, 8), (1, 22, 1), (24,)])
@pytest.mark.parametrize("order", ["XYCZT", "XYZCT", "XYTCZ"])
def test_sequence_that_rolls_over_into_more_files(tmp_path: Path, counts: tuple[int, ...], order: str) -> None:
    axes = order[:1:-1] + "YX"
    image = pixels(axes)
    names = [f"x_MMStack{f'_{i}' if i else ''}.ome.tif" for i in range(len(counts))]
    xml = ome_xml({axis: SIZES[axis] for axis in "TCZ"}, list(zip(names, counts, strict=True)), order)
    parts = np.split(image.reshape(24, 5, 6), np.cumsum(counts)[:-1])
    paths = [
        write_plain(tmp_path / name, part, xml if name == names[0] else None)
        for name, part in zip(names, parts, strict=True)
    ]
    assert_unfolded(hyperstack.unfold_hyperstack(acquired([paths])), image, axes)


def test_roll_over_with_a_file_missing(tmp_path: Path) -> None:
    xml = ome_xml({"T": 3, "C": 2, "Z": 4}, [("a.tif", 10), ("a_1.tif", 14)])
    path = write_plain(tmp_path / "a.tif", pixels().reshape(24, 5, 6)[:10], xml)
    with pytest.raises(InputError, match=r"a.tif has 10 pages, but OME-XML of a.tif describes 24 \(T=3, C=2, Z=4\)"):
        hyperstack.unfold_hyperstack(acquired([[path]]))


@pytest.mark.parametrize("named", [True, False])
def test_planes_of_a_set(tmp_path: Path, named: bool) -> None:
    names = [f"t{t}_c{c}_z{z}.tif" for t, c, z in np.ndindex(3, 2, 4)]
    xml = ome_xml({"T": 3, "C": 2, "Z": 4}, [(name, 1) for name in names if named], "XYZCT")
    paths = [write_plain(tmp_path / name, np.zeros((1, 5, 6), "uint8"), xml) for name in names]
    acquisition = acquired([paths[i : i + 4] for i in range(0, 24, 4)], ("a", "b"))
    assert hyperstack.unfold_hyperstack(acquisition) is acquisition


@pytest.mark.parametrize("named", [True, False])
def test_one_file_of_a_set_per_timepoint(tmp_path: Path, named: bool) -> None:
    image = pixels()
    xml = ome_xml({"T": 3, "C": 2, "Z": 4}, [(f"{t}.tif", 8) for t in range(3) if named])
    paths = [write_plain(tmp_path / f"{t}.tif", image[t], xml) for t in range(3)]
    assert_unfolded(hyperstack.unfold_hyperstack(acquired([[path] for path in paths])), image)


def test_set_of_as_many_timepoints_as_channels(tmp_path: Path) -> None:
    def write(files: Sequence[tuple[str, int]]) -> Acquisition:
        xml = ome_xml({"T": 2, "C": 2, "Z": 4}, files)
        paths = [write_plain(tmp_path / f"{i}.tif", pixels("ZCYX"), xml) for i in range(2)]
        return acquired([[path] for path in paths])

    with pytest.raises(InputError, match=r"0.tif has 8 pages, but OME-XML of 0.tif describes 16"):
        hyperstack.unfold_hyperstack(write([]))
    unfolded = hyperstack.unfold_hyperstack(write([("0.tif", 8), ("1.tif", 8)]))
    assert (unfolded.timepoints, unfolded.channels) == (2, ("ch0", "ch1"))


def test_too_many_pages(tmp_path: Path) -> None:
    path = write_plain(tmp_path / "a.tif", np.zeros((5, 5, 6), "uint8"), ome_xml({"T": 1, "C": 1, "Z": 4}))
    acquisition = acquired([[path]])
    with pytest.raises(InputError, match=r"a.tif has 5 pages, but OME-XML of a.tif describes 4 .*input.axes"):
        hyperstack.unfold_hyperstack(acquisition)
    assert hyperstack.unfold_hyperstack(acquisition, "ZYX") is acquisition


@pytest.mark.parametrize("sizes", ["slices=4", "channels=2\nslices=4"])
def test_imagej_numbers_that_are_not_those_of_the_pages(tmp_path: Path, sizes: str) -> None:
    path = write_plain(tmp_path / "a.tif", np.zeros((5, 5, 6), "uint8"), f"ImageJ=1.53f\nimages=5\n{sizes}\n")
    with pytest.raises(InputError, match=r"a.tif has 5 pages, but ImageJ tags of a.tif describes"):
        hyperstack.unfold_hyperstack(acquired([[path]]))


def test_damaged_metadata(tmp_path: Path) -> None:
    path = write_plain(tmp_path / "a.tif", np.zeros((4, 5, 6), "uint8"), "<OME><Image></OME>")
    acquisition = acquired([[path]])
    with pytest.raises(InputError, match=r"a.tif: its metadata is damaged.*set input.axes: ZYX"):
        hyperstack.unfold_hyperstack(acquisition)
    assert hyperstack.unfold_hyperstack(acquisition, "ZYX") is acquisition
    path.write_bytes(b"no TIFF")
    with pytest.raises(InputError, match=r"a.tif: cannot be read as TIFF"):
        hyperstack.unfold_hyperstack(acquisition)


@pytest.mark.parametrize("damaged", [0, 1])
def test_files_that_are_not_looked_at_are_not_opened(tmp_path: Path, damaged: int) -> None:
    paths = [write_ome(tmp_path / f"{i}.tif", pixels("ZCYX"), "ZCYX") for i in range(2)]
    whole = hyperstack.unfold_hyperstack(acquired([[path] for path in paths]))
    paths[damaged].write_bytes(b"no TIFF")
    acquisition = acquired([[path] for path in paths])
    assert hyperstack.unfold_hyperstack(acquisition, tile=acquisition.volumes[1 - damaged].tiles[0]) == whole
    if damaged == 0:
        with pytest.raises(InputError, match=r"0.tif: cannot be read as TIFF"):
            hyperstack.unfold_hyperstack(acquisition)


def test_later_parts_of_another_length(tmp_path: Path) -> None:
    paths = [write_plain(tmp_path / f"{i}.tif", pixels("ZCYX")[: 4 - i // 3]) for i in range(4)]
    with pytest.raises(InputError, match=r"2.tif with 1 more has 14 pages, but 16 are expected \(T=1, C=2, Z=8\)"):
        hyperstack.unfold_hyperstack(acquired([paths[:2], paths[2:]]), "ZC2YX")


def test_planes_with_channels_inside(tmp_path: Path) -> None:
    image = pixels("ZCYX")
    paths = [write_ome(tmp_path / f"z{z}.tif", plane, "CYX") for z, plane in enumerate(image)]
    assert_unfolded(hyperstack.unfold_hyperstack(acquired([paths]), "ZCYX"), image[None])
    with pytest.raises(InputError, match=r"z0.tif with 3 more: its 8 pages are not whole volumes"):
        hyperstack.unfold_hyperstack(acquired([paths]), "CZYX")
    with pytest.raises(InputError, match=r"z0.tif with 3 more has 8 pages, but OME-XML of z0.tif describes 2"):
        hyperstack.unfold_hyperstack(acquired([paths]))


def test_pages_in_no_order(tmp_path: Path) -> None:
    listed = [(0, 0), (1, 1), (1, 0), (0, 1)]
    data = "".join(f'<TiffData IFD="{i}" FirstZ="{z}" FirstC="{c}"/>' for i, (z, c) in enumerate(listed))
    xml = ome_xml({"T": 1, "C": 2, "Z": 2}).replace("></Pixels>", f">{data}</Pixels>")
    path = write_plain(tmp_path / "a.tif", np.zeros((4, 5, 6), "uint8"), xml)
    with pytest.raises(InputError, match=r"OME-XML of a.tif lists the pages in an order"):
        hyperstack.unfold_hyperstack(acquired([[path]]))


def test_imagej_stack_of_one_ifd(tmp_path: Path) -> None:
    image = pixels("ZCYX")
    text = "ImageJ=1.53f\nimages=8\nchannels=2\nslices=4\nhyperstack=true\n"
    tifffile.imwrite(tmp_path / "a.tif", image[0, 0], description=text, metadata=None, byteorder=">")
    with (tmp_path / "a.tif").open("ab") as file:
        file.write(image.reshape(-1, 5, 6)[1:].astype(">u2").tobytes())
    unfolded = hyperstack.unfold_hyperstack(acquired([[tmp_path / "a.tif"]]))
    for c, volume in enumerate(unfolded.volumes):
        with open_stack(volume.tiles[0].pieces) as stack:
            np.testing.assert_array_equal(stack[:, :], image[:, c])


def test_folder_to_pixels(tmp_path: Path) -> None:
    image = pixels(T=6)
    for index in range(2):
        described = {"axes": "TZCYX", "finterval": 4}
        tifffile.imwrite(tmp_path / f"x_{index}.tif", image[3 * index :][:3], imagej=True, metadata=described)
    unfolded = hyperstack.unfold_hyperstack(discover(tmp_path, "x_{timepoint}.tif"))
    assert unfolded.seconds == (0, 4, 8, 12, 16, 20)
    for volume in unfolded.volumes:
        with open_stack(volume.tiles[0].pieces) as stack:
            expected = image[volume.timepoint, :, unfolded.channels.index(volume.channel)]
            np.testing.assert_array_equal(stack[:, :], expected)


def test_holes_stay_holes(tmp_path: Path) -> None:
    path = write_ome(tmp_path / "a.tif", pixels("ZCYX"), "ZCYX")
    unfolded = hyperstack.unfold_hyperstack(acquired([[], [path]]))
    assert [(volume.timepoint, volume.channel, bool(volume.tiles)) for volume in unfolded.volumes] == [
        (0, "ch0", False),
        (0, "ch1", False),
        (1, "ch0", True),
        (1, "ch1", True),
    ]
