"""Files of several channels and timepoints, unfolded, against the arrays that were written."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from lightsheet.acquisition.discovery import discover
from lightsheet.acquisition.hyperstack import unfold_hyperstack
from lightsheet.acquisition.model import Piece
from lightsheet.sources.tiff_stack import open_stack
from lightsheet.system.errors import InputError
from tests.support.hyperstacks import SIZES, acquired, assert_unfolded, ome_xml, pixels, read, write_ome, write_plain


def test_an_imagej_hyperstack_is_unfolded(tmp_path: Path) -> None:
    image = pixels()
    tifffile.imwrite(tmp_path / "a.tif", image, imagej=True, metadata={"axes": "TZCYX", "finterval": 2.5})
    unfolded = unfold_hyperstack(acquired([[tmp_path / "a.tif"]]))
    assert_unfolded(unfolded, image)
    assert unfolded.channels == ("ch0", "ch1")
    assert unfolded.seconds == (0, 2.5, 5)
    assert [volume.seconds for volume in unfolded.volumes] == [0, 0, 2.5, 2.5, 5, 5]
    assert unfolded.remarks == ("The pages of each file are TZC: T=3, C=2, Z=4, as ImageJ tags of a.tif says.",)


def test_channels_of_names_and_of_files(tmp_path: Path) -> None:
    channel = {"Name": ["mCherry/x", "488"], "ExcitationWavelength": [561, 488]}
    paths = [write_ome(tmp_path / f"{i}.tif", pixels("ZCYX") + 100 * i, "ZCYX", Channel=channel) for i in range(4)]
    acquisition = acquired([[path] for path in paths], ("CamA", "CamB"), seconds=(0.0, 30.0))
    unfolded = unfold_hyperstack(acquisition)
    assert unfolded.channels == ("CamA_mCherry-x", "CamA_ch488", "CamB_mCherry-x", "CamB_ch488")
    assert list(unfolded.wavelengths.values()) == [561, 488, 561, 488]
    assert unfolded.seconds == (0, 30)
    assert [volume.channel for volume in unfolded.volumes] == list(unfolded.channels) * 2
    for volume, expected in zip(unfolded.volumes, [(i, c) for i in range(4) for c in range(2)], strict=True):
        np.testing.assert_array_equal(read(volume), pixels("ZCYX")[:, expected[1]] + 100 * expected[0])


def test_channels_named_alike_are_numbered(tmp_path: Path) -> None:
    path = write_ome(tmp_path / "a.tif", pixels("ZCYX"), "ZCYX", Channel={"Name": ["laser", "laser"]})
    assert unfold_hyperstack(acquired([[path]])).channels == ("ch0", "ch1")


def test_channels_whose_names_become_alike_in_a_path_are_numbered_and_that_is_told(tmp_path: Path) -> None:
    path = write_ome(tmp_path / "a.tif", pixels("ZCYX"), "ZCYX", Channel={"Name": ["GFP (1)", "GFP/[1]"]})
    unfolded = unfold_hyperstack(acquired([[path]]))
    assert unfolded.channels == ("ch0", "ch1")
    assert unfolded.remarks[1:] == (
        "OME-XML of a.tif calls its channels 'GFP (1)', 'GFP/[1]', which would not be told apart as names of folders: "
        "they are called ch0 to ch1.",
    )


def test_timepoints_of_names_and_of_files(tmp_path: Path) -> None:
    image = pixels("TZYX", T=6)
    described = {"TimeIncrement": 10}
    paths = [write_ome(tmp_path / f"{i}.tif", image[3 * i : 3 * i + 3], "TZYX", **described) for i in range(2)]
    acquisition = acquired([[path] for path in paths], ("GFP",), seconds=(0.0, 100.0))
    unfolded = unfold_hyperstack(acquisition)
    assert_unfolded(unfolded, image[:, :, None])
    assert unfolded.channels == ("GFP",)
    assert unfolded.seconds == (0, 10, 20, 100, 110, 120)
    assert unfold_hyperstack(acquired([[path] for path in paths])).seconds == (0, 10, 20, 30, 40, 50)


def timed(times: Sequence[float], planes: int, **described: object) -> dict[str, object]:
    """Describe when the planes of each timepoint were recorded, each 0.1 s after the one before."""
    return {"Plane": {"DeltaT": [time + 0.1 * plane for time in times for plane in range(planes)]}, **described}


def test_times_at_which_a_file_was_recorded(tmp_path: Path) -> None:
    described = timed([3, 8, 28], 8, TimeIncrement=5)
    path = write_ome(tmp_path / "a.tif", pixels(), "TZCYX", **described)
    unfolded = unfold_hyperstack(acquired([[path]]))
    assert unfolded.seconds == (0, 5, 25)
    assert [volume.seconds for volume in unfolded.volumes] == [0, 0, 5, 5, 25, 25]
    assert unfold_hyperstack(acquired([[path]], seconds=(100.0,))).seconds == (100, 105, 125)
    # What was recorded in one file says nothing of the pauses between files.
    assert unfold_hyperstack(acquired([[path], [path]])).seconds == (0, 5, 10, 15, 20, 25)


def test_times_of_a_set_of_one_file_per_timepoint(tmp_path: Path) -> None:
    planes = "".join(f'<Plane TheT="{t}" TheC="0" TheZ="0" DeltaT="{t * t}"/>' for t in range(3))
    xml = ome_xml({"T": 3, "C": 2, "Z": 4}, [(f"{t}.tif", 8) for t in range(3)]).replace("</P", planes + "</P")
    paths = [write_plain(tmp_path / f"{t}.tif", image, xml) for t, image in enumerate(pixels())]
    assert unfold_hyperstack(acquired([[path] for path in paths])).seconds == (0, 1, 4)


def test_times_of_planes_are_not_those_of_volumes(tmp_path: Path) -> None:
    described = timed([0, 1, 3, 4], 1, TimeIncrement=1)
    paths = [write_ome(tmp_path / f"{i}.tif", pixels("TYX", T=4), "TYX", **described) for i in range(4)]
    assert unfold_hyperstack(acquired([[path] for path in paths]), "ZYX").seconds is None


def test_timepoints_of_unknown_times_have_none(tmp_path: Path) -> None:
    path = write_ome(tmp_path / "a.tif", pixels("TZYX"), "TZYX")
    unfolded = unfold_hyperstack(acquired([[path]], seconds=(0.0,)))
    assert unfolded.seconds is None
    assert {volume.seconds for volume in unfolded.volumes} == {None}


def test_interval_of_files_with_one_timepoint_each(tmp_path: Path) -> None:
    paths = [write_ome(tmp_path / f"{i}.tif", pixels("ZYX"), "ZYX", TimeIncrement=7) for i in range(3)]
    unfolded = unfold_hyperstack(acquired([[path] for path in paths]))
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
    assert_unfolded(unfold_hyperstack(acquired([paths])), image, axes)


@pytest.mark.parametrize("named", [True, False])
def test_single_planes_of_an_ome_set_stay_as_they_are(tmp_path: Path, named: bool) -> None:
    names = [f"t{t}_c{c}_z{z}.tif" for t, c, z in np.ndindex(3, 2, 4)]
    xml = ome_xml({"T": 3, "C": 2, "Z": 4}, [(name, 1) for name in names if named], "XYZCT")
    paths = [write_plain(tmp_path / name, np.zeros((1, 5, 6), "uint8"), xml) for name in names]
    acquisition = acquired([paths[i : i + 4] for i in range(0, 24, 4)], ("a", "b"))
    assert unfold_hyperstack(acquisition) is acquisition


@pytest.mark.parametrize("named", [True, False])
def test_one_file_of_a_set_per_timepoint(tmp_path: Path, named: bool) -> None:
    image = pixels()
    xml = ome_xml({"T": 3, "C": 2, "Z": 4}, [(f"{t}.tif", 8) for t in range(3) if named])
    paths = [write_plain(tmp_path / f"{t}.tif", image[t], xml) for t in range(3)]
    assert_unfolded(unfold_hyperstack(acquired([[path] for path in paths])), image)


@pytest.mark.parametrize("damaged", [0, 1])
def test_files_that_are_not_looked_at_are_not_opened(tmp_path: Path, damaged: int) -> None:
    paths = [write_ome(tmp_path / f"{i}.tif", pixels("ZCYX"), "ZCYX") for i in range(2)]
    whole = unfold_hyperstack(acquired([[path] for path in paths]))
    paths[damaged].write_bytes(b"no TIFF")
    acquisition = acquired([[path] for path in paths])
    unfolded = unfold_hyperstack(acquisition, tile=acquisition.volumes[1 - damaged].tiles[0])
    assert replace(unfolded, remarks=whole.remarks) == whole
    if damaged == 0:
        with pytest.raises(InputError, match=r"0.tif: cannot be read as TIFF"):
            unfold_hyperstack(acquisition)


def test_later_parts_of_another_length(tmp_path: Path) -> None:
    paths = [write_plain(tmp_path / f"{i}.tif", pixels("ZCYX")[: 4 - i // 3]) for i in range(4)]
    with pytest.raises(InputError, match=r"2.tif with 1 more has 14 pages, but 16 are expected \(T=1, C=2, Z=8\)"):
        unfold_hyperstack(acquired([paths[:2], paths[2:]]), "ZC2YX")


def test_imagej_stack_of_one_ifd(tmp_path: Path) -> None:
    image = pixels("ZCYX")
    text = "ImageJ=1.53f\nimages=8\nchannels=2\nslices=4\nhyperstack=true\n"
    tifffile.imwrite(tmp_path / "a.tif", image[0, 0], description=text, metadata=None, byteorder=">")
    with (tmp_path / "a.tif").open("ab") as file:
        file.write(image.reshape(-1, 5, 6)[1:].astype(">u2").tobytes())
    unfolded = unfold_hyperstack(acquired([[tmp_path / "a.tif"]]))
    for c, volume in enumerate(unfolded.volumes):
        with open_stack(volume.tiles[0].pieces) as stack:
            np.testing.assert_array_equal(stack[:, :], image[:, c])


def test_the_pixels_of_unfolded_volumes_are_those_of_the_files(tmp_path: Path) -> None:
    image = pixels(T=6)
    for index in range(2):
        described = {"axes": "TZCYX", "finterval": 4}
        tifffile.imwrite(tmp_path / f"x_{index}.tif", image[3 * index :][:3], imagej=True, metadata=described)
    unfolded = unfold_hyperstack(discover(tmp_path, "x_{timepoint}.tif"))
    assert unfolded.seconds == (0, 4, 8, 12, 16, 20)
    for volume in unfolded.volumes:
        with open_stack(volume.tiles[0].pieces) as stack:
            expected = image[volume.timepoint, :, unfolded.channels.index(volume.channel)]
            np.testing.assert_array_equal(stack[:, :], expected)


def test_holes_stay_holes(tmp_path: Path) -> None:
    path = write_ome(tmp_path / "a.tif", pixels("ZCYX"), "ZCYX")
    unfolded = unfold_hyperstack(acquired([[], [path]]))
    assert [(volume.timepoint, volume.channel, bool(volume.tiles)) for volume in unfolded.volumes] == [
        (0, "ch0", False),
        (0, "ch1", False),
        (1, "ch0", True),
        (1, "ch1", True),
    ]


@pytest.mark.parametrize("odd", [0, 1, 2])
def test_a_file_in_another_order_than_the_others(tmp_path: Path, odd: int) -> None:
    axes = ["ZCYX" if index == odd else "CZYX" for index in range(3)]
    paths = [write_ome(tmp_path / f"{i}.tif", pixels(order), order) for i, order in enumerate(axes)]
    acquisition = acquired([[path] for path in paths])
    typical = acquisition.volumes[1 if odd != 1 else 0].tiles[0]
    if odd != 1:  # the first and the last are looked at
        with pytest.raises(InputError, match=rf"{odd}.tif: its pages are Z=4, C=2.* but those of .*C=2, Z=4"):
            unfold_hyperstack(acquisition, tile=typical)
    assert unfold_hyperstack(acquisition, "C2ZYX", tile=typical).channels == ("ch0", "ch1")


def test_a_file_that_says_nothing_among_others(tmp_path: Path) -> None:
    image = pixels("CZYX")
    paths = [write_ome(tmp_path / "0.tif", image, "CZYX"), write_plain(tmp_path / "1.tif", image)]
    with pytest.raises(InputError, match=r"1.tif: its pages are planes of one volume by what it says"):
        unfold_hyperstack(acquired([[path] for path in paths]))


def test_a_set_of_which_a_file_is_not_in_the_folder_is_told(tmp_path: Path) -> None:
    xml = ome_xml({"T": 3, "C": 2, "Z": 4}, [(f"{t}.tif", 8) for t in range(3)])
    paths = [write_plain(tmp_path / f"{t}.tif", pixels()[t], xml) for t in range(3)]
    remark = "OME-XML of 0.tif describes 3 timepoints, of which 2 are in the folder."
    assert remark in unfold_hyperstack(acquired([[path] for path in paths[:2]])).remarks
    assert not any("of which" in text for text in unfold_hyperstack(acquired([[path] for path in paths])).remarks)
