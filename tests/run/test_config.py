import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from lightsheet.run import config
from lightsheet.system.errors import InputError

ROOT = Path(__file__).parents[2]
SHORTEST: dict[str, Any] = {
    "name": "a",
    "input": {"folder": "x"},
    "voxel_size": {"z": 0.3, "y": 0.1, "x": 0.1},
    "psf": {"files": {"ch0": "psf.tif"}, "voxel_size": {"z": 0.1, "y": 0.1, "x": 0.1}},
}


def test_the_shipped_configuration_is_valid_and_fits_the_demo() -> None:
    shipped, demo = (yaml.safe_load((ROOT / "config" / name).read_text()) for name in ("config.yaml", "demo.yaml"))
    assert config.check_config(shipped) == config.check_config(demo)


def test_every_key_of_the_schema_stands_in_the_shipped_configuration() -> None:
    shipped = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    schema = yaml.safe_load(config.SCHEMA.read_text())
    for section, below in schema["properties"].items():
        if section != "voxel_size":
            assert set(below.get("properties", {})) <= set(shipped[section])


def test_defaults_are_filled_in_at_every_depth_and_the_users_mapping_is_left_alone() -> None:
    user_config = copy.deepcopy(SHORTEST)
    checked = config.check_config(user_config)
    assert user_config == SHORTEST
    assert checked["deconvolution"]["boundary"] == "extended"
    assert checked["input"]["pattern"] == "lattice"
    assert checked["output"]["codec"]["configuration"]["cname"] == "zstd"


def test_a_whole_number_is_the_same_with_a_point() -> None:
    text = """{"deconvolution": {"iterations": 10.0, "background": {"ch0": 1e2}, "timepoints_per_job": 2.0},
        "pilot": {"crop": {"z": [0, 5.0]}}, "output": {"codec": {"name": "gzip", "configuration": {"level": 3.0}}}}"""
    sections = [{**SHORTEST, **json.loads(t)} for t in (text, text.replace(".0", "").replace("1e2", "100"))]
    first, second = [json.dumps(config.check_config(section)) for section in sections]
    assert first == second
    assert ".5" in json.dumps(config.check_config({**SHORTEST, "deconvolution": {"background": 0.5}}))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"deconvolution": {"iteration": 3}}, "key deconvolution.iteration is unknown; did you mean iterations?"),
        ({"outptu": {}}, "config key outptu is unknown; did you mean output?"),
        ({"deconvolution": {"iterations": "3"}}, "key deconvolution.iterations: '3' is not a whole number"),
        (
            {"deconvolution": {"iterations": 0}},
            "key deconvolution.iterations: 0 is not a whole number from 1 to 10000, or auto",
        ),
        (
            {"deconvolution": {"engine": "cup"}},
            "'cup' is not one of auto, cpu, cpu-sweeps, gpu, itk, skimage; did you mean cpu?",
        ),
        ({"deconvolution": {"background": "fast"}}, "'fast' is not a number, auto, or one of these per channel"),
        ({"voxel_size": {"z": 0.3, "y": 0, "x": 0.1}}, "key voxel_size.y: 0 must be more than 0"),
        ({"voxel_size": {"y": 0.1, "x": 0.1, "t": 1}}, "voxel_size.t is unknown"),
        ({"voxel_size": {"z": float("nan"), "y": 1, "x": 1}}, "key voxel_size.z: nan is not a number to compute with"),
        ({"name": "a b"}, "key name: 'a b' is not letters, digits"),
        ({"name": 201 * "a"}, "at most 200"),
        ({"name": 20240101}, "key name: 20240101 is not text; write it in quotes"),
        ({"voxel_size": {"z": "1e-1", "y": 1, "x": 1}}, "key voxel_size.z: '1e-1' is not a number; write it as 0.1"),
        ({"deconvolution": {"engine": "itk"}}, "key deconvolution.boundary: engine itk has no 'extended'"),
        ({"output": 3}, "key output: 3 is not a section with keys"),
        ({"deconvolution": {"timepoints_per_job": 1e308}}, "1e+308 is not a whole number from 1, or auto"),
        ({"input": {"folder": "x", "select": {"timepoints": 1e20}}}, "timepoints: 1e+20 is not a number from 0, text"),
        (
            {"output": "{scale: 2"},
            "key output: '{scale: 2' is not a section with keys, but text; a section is written {",
        ),
        ({"output": {"scale:2": None}}, "key output.scale:2 is unknown; after a colon stands a space; known here:"),
        ({"input": {"folder": "x", "scan": "stage"}}, "key input.scan: 'stage' is not auto, straight, or e.g. {kind:"),
        ({"input": {"folder": "x", "scan": {"angle": 31}}}, "key input.scan: kind is missing"),
        ({"input": {"folder": "x", "scan": {"kind": "stag"}}}, "key input.scan.kind: 'stag' is not stage"),
        (
            {"input": {"folder": "x", "scan": {"kind": "stage", "angel": 3}}},
            "key input.scan.angel is unknown; did you mean angle?",
        ),
        (
            {"input": {"folder": "x", "scan": {"kind": "stage", "angle": -31.5}}},
            "key input.scan.angle: -31.5 must be more than 0 (degrees between",
        ),
        ({"input": {"folder": "x", "scan": {"kind": "stage", "angle": 90}}}, "angle: 90 must be less than 90"),
        ({"input": {"folder": "x", "scan": {"kind": "stage", "step": 0}}}, "input.scan.step: 0 must be more than 0"),
        ({"input": {"folder": "x", "scan": {"kind": "stage", "direction": 0}}}, "direction: 0 is not one of 1, -1"),
        ({"input": {"folder": "x", "scan": {"kind": "stage", "axis": "z"}}}, "axis: 'z' is not one of x, y"),
        ({"psf": {**SHORTEST["psf"], "scan": "auto"}}, "key psf.scan: 'auto' is not straight, or e.g. {kind: stage"),
        (
            {"psf": {"files": {"ch0": {"path": "a.tif", "scan": {"kind": "stage", "step": "1"}}}}},
            "key psf.files.ch0.scan.step: '1' is not a number; write it as 1.",
        ),
        ({"psf": {"files": {"ch0": 3}}}, "key psf.files.ch0: 3 is not a path, or {path: ..."),
        ({"psf": {"files": {"ch0": {"path": "a", "chanel": 0}}}}, "chanel is unknown; did you mean channel?"),
        ({"output": {"geometry": "rotated"}}, "key output.geometry: rotated is a geometry of results of a stage scan"),
        ({"output": {"geometry": "skewed"}}, "key output.geometry: 'skewed' is not one of deskewed, rotated, raw"),
        ({"psf": {"files": {}, "voxel_size": SHORTEST["voxel_size"]}}, "key psf.files"),
    ],
)
def test_each_mistake_gets_a_sentence(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as error:
        config.check_config({**SHORTEST, **change})
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(InputError) as error:
        config.check_config({**SHORTEST, "name": "", "deconvolution": {"iterations": 0}})
    assert len(str(error.value).splitlines()) == 2


def test_channels_of_the_configuration_are_compared_with_the_folders() -> None:
    checked = config.check_config(SHORTEST)
    config.check_channels(checked, ("ch0",))
    with pytest.raises(InputError, match=r"psf\.files: the folder has no channel 'ch0'; .*channels are ch1"):
        config.check_channels(checked, ("ch1",))
    with pytest.raises(InputError, match=r"psf\.files: nothing is given for channel ch1"):
        config.check_channels(checked, ("ch0", "ch1"))
    with pytest.raises(InputError, match=r"no channel True \(to YAML this is no text: write it in quotes if it is\)"):
        config.check_channels({**checked, "psf": {"files": {True: "psf.tif", "ch1": "psf.tif"}}}, ("ch1",))
    checked = config.check_config({**SHORTEST, "deconvolution": {"background": {"ch00": 100}}})
    with pytest.raises(InputError, match=r"deconvolution\.background: .*'ch00'; did you mean ch0"):
        config.check_channels(checked, ("ch0",))


@pytest.mark.parametrize(
    ("key", "section"),
    [
        ("input.folder", {"input": {"folder": "data/G\udcb5"}}),
        ("input.ignore.0", {"input": {"folder": "x", "ignore": ["a\nb"]}}),
        ("psf.files.ch0", {"psf": {**SHORTEST["psf"], "files": {"ch0": "\udcb5.tif"}}}),
        ("psf.files", {"psf": {**SHORTEST["psf"], "files": {"ch\udcb5": "psf.tif"}}}),
        ("output.folder", {"output": {"folder": "\x1b[2J"}}),
    ],
)
def test_text_that_cannot_be_written_down_is_refused(key: str, section: dict[str, Any]) -> None:
    with pytest.raises(
        InputError, match=rf"config key {key}: .* (is not UTF-8|has a control character in it);"
    ) as error:
        config.check_config(SHORTEST | section)
    assert str(error.value).isprintable()


def test_a_home_folder_may_stand_before_every_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    psf = {**SHORTEST["psf"], "files": {"ch0": "~/488.tif", "ch1": "a/~b.tif"}}
    checked = config.check_config(SHORTEST | {"input": {"folder": "~"}, "psf": psf, "output": {"folder": "~/results"}})
    assert (checked["input"]["folder"], checked["output"]["folder"]) == ("/home/ada", "/home/ada/results")
    assert checked["psf"]["files"] == {"ch0": "/home/ada/488.tif", "ch1": "a/~b.tif"}
    checked = config.check_config(SHORTEST | {"input": {"folder": "~root/data"}, "output": {"folder": "./~x"}})
    assert (checked["input"]["folder"], checked["output"]["folder"]) == ("/root/data", "./~x")


@pytest.mark.parametrize(
    ("key", "section"),
    [
        ("input.folder", {"input": {"folder": "~no one/data"}}),
        ("psf.files.ch0", {"psf": {**SHORTEST["psf"], "files": {"ch0": "~no one/data"}}}),
        ("output.folder", {"output": {"folder": "~no one/data"}}),
    ],
)
def test_the_home_of_nobody_is_refused(key: str, section: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=rf"config key {key}: ~no one/data: there is no home folder ~no one here"):
        config.check_config(SHORTEST | section)


def test_floats_alone_have_a_precision_that_is_found() -> None:
    def check(**output: object) -> object:
        return config.check_config({**SHORTEST, "output": output})["output"]["precision"]

    assert check() == "full"
    assert (check(precision="auto"), check(precision=7), check(precision=11, dtype="uint16")) == ("auto", 7, 11)
    with pytest.raises(InputError, match=r"output.precision: auto is for output.dtype: float32; .* output.scale: auto"):
        check(precision="auto", dtype="uint16", scale="auto")
    with pytest.raises(InputError, match="17 must be at most 16 with uint16"):
        check(precision=17, dtype="uint16")
    for wrong in (0, 24, 7.5, "most"):
        with pytest.raises(InputError, match="is not full, auto, or how many bits are kept, from 1 to 23"):
            check(precision=wrong)
