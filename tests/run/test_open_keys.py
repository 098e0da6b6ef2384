"""What a configuration leaves to be said: refused by a run, and passed over where PSFs are not needed."""

import copy
from typing import Any

import pytest

from lightsheet.run import list_open_keys
from lightsheet.run.config import check_config
from lightsheet.system import InputError
from lightsheet.workflow import needs_psfs

CONFIG: dict[str, Any] = {
    "name": "a",
    "input": {"folder": "data"},
    "voxel_size": {"z": 0.3, "y": 0.1, "x": 0.1},
    "psf": {"files": {"red": "red.tif", "blue": "TODO"}, "voxel_size": {"z": "TODO", "y": 0.1}, "scan": "straight"},
}


def test_a_run_is_refused_with_one_sentence_that_lists_the_keys() -> None:
    config = {**copy.deepcopy(CONFIG), "voxel_size": {"z": "TODO", "y": 0.1, "x": 0.1}, "pilot": {"methods": ["TODO"]}}
    with pytest.raises(InputError) as error:
        check_config(config)
    keys = "voxel_size.z, psf.files.blue, psf.voxel_size.z, pilot.methods.0"
    assert {*list_open_keys(config)} == {*keys.split(", ")}
    assert str(error.value).startswith(f"config: still to be said (TODO): {keys}; write what they are")
    with pytest.raises(InputError, match=r"\(TODO\): voxel_size\.z, pilot\.methods\.0; "):
        check_config(config, needs_psfs=False)


def test_what_only_lists_files_needs_no_psfs() -> None:
    checked = check_config(CONFIG, needs_psfs=False)
    assert checked["psf"] == {
        "files": {},
        "voxel_size": {"y": 0.1},
        "axes": "auto",
        "background": "auto",
        "scan": "straight",
    }
    for psf in (None, "TODO", {}, {"files": None}, {"files": "TODO"}, {"files": {}}, {"axes": "TODO"}):
        assert check_config({**CONFIG, "psf": psf}, needs_psfs=False)["psf"]["files"] == {}
        with pytest.raises(InputError):
            check_config({**CONFIG, "psf": psf})
    without = {key: value for key, value in CONFIG.items() if key != "psf"}
    assert check_config(without, needs_psfs=False)["psf"]["files"] == {}
    with pytest.raises(InputError, match="config: psf is missing"):
        check_config(without)


def test_mistakes_in_psf_are_mistakes_all_the_same() -> None:
    for psf in ({"files": {}, "axis": "ZYX"}, ["a.tif"], {"files": {"red": 3}}):
        with pytest.raises(InputError, match="config key psf"):
            check_config({**CONFIG, "psf": psf}, needs_psfs=False)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("-c1 inventory --configfile my.yaml", False),
        ("-n inventory --profile slurm", False),
        ("-c1 --configfile my.yaml", True),
        ("-c1 inventory plan", True),
        ("-c1 inventory results/a/report.html", True),
        ("-c1 pilot", True),
    ],
)
def test_the_target_inventory_alone_needs_none(command: str, expected: bool) -> None:
    assert needs_psfs(["snakemake", *command.split()]) is expected
