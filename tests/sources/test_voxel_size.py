import pytest

from lightsheet.sources import voxel_size
from lightsheet.sources.metadata import FileMetadata
from lightsheet.system.errors import InputError

FILE = FileMetadata("OME-XML of a.tif", {"z": 0.3, "y": 0.104, "x": 0.104})
SKEWED = FileMetadata("a_Settings.txt", z_choices=(0.4, 0.206))


def test_voxel_size_of_the_config_wins_where_nothing_contradicts_it() -> None:
    config = {"z": 0.302, "y": 0.104, "x": 0.1041}
    assert voxel_size.decide_voxel_size(config, None, None) == config
    assert voxel_size.decide_voxel_size(config, FILE, None) == config
    assert voxel_size.decide_voxel_size({**config, "z": 0.207}, None, SKEWED)["z"] == 0.207
    assert voxel_size.decide_voxel_size({**config, "z": 0.4}, None, SKEWED)["z"] == 0.4


def test_voxel_size_from_the_files() -> None:
    assert voxel_size.decide_voxel_size(None, FILE, None) == FILE.voxel_size
    assert voxel_size.decide_voxel_size({"z": 0.3}, FILE, None) == FILE.voxel_size
    assert voxel_size.decide_voxel_size({"y": 1, "x": 1}, None, FileMetadata("s", z_choices=(0.5,)))["z"] == 0.5


def test_contradicting_voxel_sizes_are_refused() -> None:
    with pytest.raises(
        InputError,
        match=r"voxel_size.z is 0.4 um in the config, but 0.3 um in OME-XML of a.tif; correct it there, .*override",
    ):
        voxel_size.decide_voxel_size({"z": 0.4, "y": 0.104, "x": 0.104}, FILE, None)
    with pytest.raises(InputError, match=r"0.3 um in the config, but 0.4 um or 0.206 um in a_Settings.txt"):
        voxel_size.decide_voxel_size({"z": 0.3, "y": 0.104, "x": 0.104}, FILE, SKEWED)
    with pytest.raises(
        InputError, match=r"0.3 um in OME-XML of a.tif, but 0.4 um or 0.206 um in a_Settings.txt; write"
    ):
        voxel_size.decide_voxel_size(None, FILE, SKEWED)


def test_override_ends_the_comparison() -> None:
    config = {"z": 0.3, "y": 0.2, "x": 0.2, "override": True}
    assert voxel_size.decide_voxel_size(config, FILE, SKEWED) == {"z": 0.3, "y": 0.2, "x": 0.2}
    assert voxel_size.decide_voxel_size({"z": 0.5, "override": True}, FILE, None) == {"z": 0.5, "y": 0.104, "x": 0.104}


def test_voxel_size_that_nobody_knows() -> None:
    with pytest.raises(InputError, match=r"psf.voxel_size.z, psf.voxel_size.x are not known: .* write them in the"):
        voxel_size.decide_voxel_size({"y": 0.1}, None, None, "psf.voxel_size")
    with pytest.raises(InputError, match=r"voxel_size.z is not known"):
        voxel_size.decide_voxel_size(None, FileMetadata("x", {"y": 0.1, "x": 0.1}), None)
    with pytest.raises(InputError, match=r"can be 0.4 um or 0.206 um, says a_Settings.txt"):
        voxel_size.decide_voxel_size({"y": 0.1, "x": 0.1}, None, SKEWED)
