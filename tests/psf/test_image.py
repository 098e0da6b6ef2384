"""Which pages of a file are the image of a bead, by what the file says, and its voxel size."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from lightsheet.psf.image import find_psf_settings, read_psf_image
from lightsheet.system.errors import InputError
from tests.support.hyperstacks import pixels, write_ome, write_plain

VOXEL = {"z": 0.3, "y": 0.1, "x": 0.1}


def find(path: Path, entry: dict[str, int] | None = None, **section: Any) -> dict[str, Any]:
    image = {"path": str(path), **entry} if entry else str(path)
    return find_psf_settings(
        path, {"files": {"GFP": image}, "axes": "auto", "voxel_size": VOXEL, "background": "auto", **section}, "GFP"
    )


def write_imagej(path: Path, image: np.ndarray, axes: str, **tags: Any) -> Path:
    metadata = {"axes": axes, "spacing": 0.3, "unit": "um", **tags}
    tifffile.imwrite(path, image, imagej=True, resolution=(10, 10), metadata=metadata)
    return path


@pytest.mark.parametrize("axes", ["ZCYX", "CZYX", "TZCYX", "ZTCYX", "CZTYX"])
def test_the_chosen_channel_and_timepoint_are_read_in_whatever_order_they_lie(tmp_path: Path, axes: str) -> None:
    image = pixels(axes)
    choices = {"C": ("channel", 1), "T": ("timepoint", 2)}
    places = [choices.get(axis, ("", slice(None))) for axis in axes]
    path = write_ome(tmp_path / "psf.tif", image, axes)
    settings = find(path, {key: number for key, number in places if key})
    np.testing.assert_array_equal(read_psf_image(path, settings["pages"]), image[tuple(place for _, place in places)])


def test_several_channels_are_refused_until_one_is_chosen(tmp_path: Path) -> None:
    path = write_imagej(tmp_path / "psf.tif", pixels("ZCYX"), "ZCYX")
    with pytest.raises(
        InputError,
        match=r"psf\.tif: holds 2 channels \(ImageJ tags of psf\.tif\).*psf\.files\.GFP: \{path: .*channel: 0",
    ):
        find(path)
    with pytest.raises(InputError, match=r"holds 2 channels .* none is number 2 \(from 0\)"):
        find(path, {"channel": 2})
    with pytest.raises(InputError, match=r"holds 3 timepoints"):
        find(write_imagej(tmp_path / "movie.tif", pixels("TZYX"), "TZYX"))
    with pytest.raises(InputError, match=r"holds 1 channel .* none is number 1"):
        find(write_plain(tmp_path / "plain.tif", pixels("ZYX")), {"channel": 1})
    assert find(path, {"channel": 1})["pages"] == [1, 8, 2]


def test_planes_that_a_program_calls_timepoints_or_channels_are_an_image_if_the_user_says_so(tmp_path: Path) -> None:
    path = write_imagej(tmp_path / "psf.tif", pixels("TYX", T=4), "TYX")
    with pytest.raises(InputError, match=r"volumes of a single plane; set psf\.axes: ZYX"):
        find(path)
    assert find(path, axes="ZYX")["pages"] is None
    assert find(path, {"channel": 1}, axes="ZC2YX")["pages"] == [1, 4, 2]


def test_order_that_is_not_understood_is_refused(tmp_path: Path) -> None:
    path = write_plain(
        tmp_path / "psf.tif", pixels("ZYX", Z=8), "ImageJ=1.53f\nimages=8\nchannels=2\nslices=4\norder=cpt\n"
    )
    with pytest.raises(InputError, match=r"psf\.tif: .*not understood; set psf\.axes"):
        find(path)


def test_several_images_in_a_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "psf.tif"
    with tifffile.TiffWriter(path) as writer:
        for _ in range(2):
            writer.write(pixels("ZYX"), photometric="minisblack", metadata={"axes": "ZYX"})
    with pytest.raises(InputError, match=r"psf\.tif: it holds 2 images.*set psf\.axes"):
        find(path)


def test_a_single_plane_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"psf\.tif: this PSF is a single plane; give a stack of planes"):
        find(write_plain(tmp_path / "psf.tif", pixels("YX")))


def test_colours_and_what_is_cut_off_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "psf.tif"
    tifffile.imwrite(path, np.zeros((4, 9, 9, 3), np.uint8), photometric="rgb")
    with pytest.raises(InputError, match=r"psf\.tif: its pages have several values a pixel"):
        find(path)
    content = write_plain(path, pixels("ZYX")).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"psf\.tif: the file is cut off"):
        find(path)


def test_voxel_size_of_the_file_is_compared_and_fills_in(tmp_path: Path) -> None:
    path = write_imagej(tmp_path / "psf.tif", pixels("ZYX"), "ZYX", spacing=0.1)
    with pytest.raises(
        InputError,
        match=r"psf\.voxel_size\.z is 0\.3 um in the config, but 0\.1 um in ImageJ tags of psf\.tif; correct it there"
        r".* add `override: true` to psf\.voxel_size",
    ):
        find(path)
    assert find(path, voxel_size={**VOXEL, "override": True})["psf_voxel_size"] == VOXEL
    assert find(path, voxel_size={})["psf_voxel_size"] == pytest.approx({"z": 0.1, "y": 0.1, "x": 0.1})
    assert find(path, voxel_size={"z": 0.101})["psf_voxel_size"] == pytest.approx({"z": 0.101, "y": 0.1, "x": 0.1})
    sizes = {f"PhysicalSize{axis}": 250 for axis in "ZYX"} | {f"PhysicalSize{axis}Unit": "nm" for axis in "ZYX"}
    nanometres = write_ome(tmp_path / "ome.tif", pixels("ZYX"), "ZYX", **sizes)
    assert find(nanometres, voxel_size={})["psf_voxel_size"] == pytest.approx(dict.fromkeys("zyx", 0.25))
    plain = write_plain(tmp_path / "plain.tif", pixels("ZYX"))
    assert find(plain)["psf_voxel_size"] == VOXEL
    with pytest.raises(InputError, match=r"psf\.voxel_size\.z is not known"):
        find(plain, voxel_size={"y": 0.1, "x": 0.1})


def test_what_is_no_tiff_is_left_to_the_preparation(tmp_path: Path) -> None:
    (tmp_path / "psf.tif").write_bytes(b"no TIFF")
    assert find(tmp_path / "psf.tif") == {"psf_voxel_size": VOXEL, "background": "auto", "pages": None}
    with pytest.raises(InputError, match=r"psf\.tif: cannot be read as TIFF"):
        find(tmp_path / "psf.tif", voxel_size={})
