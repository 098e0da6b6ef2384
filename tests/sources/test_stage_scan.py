"""The geometry of a stage scan, from the configuration and from a microscope's settings."""

import math

import pytest

from lightsheet.sources.metadata import FileMetadata
from lightsheet.sources.stage_scan import decide_scan, set_plane_distance
from lightsheet.system.errors import InputError

SETTINGS = FileMetadata("a_Settings.txt", z_choices=(0.4, 0.209), stage={"angle": 31.5, "step": 0.4})
SCAN = {"angle": 31.5, "step": 0.4, "axis": "x", "direction": 1}
KEYS = ("voxel_size", "input.scan")


def test_straight_images_have_no_geometry():
    assert decide_scan("auto", SETTINGS) is None
    assert decide_scan("straight", None) is None


def test_settings_tell_what_the_configuration_leaves_out():
    assert decide_scan({"kind": "stage"}, SETTINGS) == SCAN
    assert decide_scan({"kind": "stage", "angle": 31.8, "direction": -1}, SETTINGS) == {
        **SCAN,
        "angle": 31.8,
        "direction": -1,
    }
    images = {"angle": 45, "step": 0.4, "axis": "y", "direction": -1}
    assert decide_scan({"kind": "stage", "step": 0.1}, rest=images) == {**images, "step": 0.1}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"angle": 45}, r"input\.scan\.angle is 45, but 31\.5 in a_Settings\.txt; .*override"),
        ({"step": 0.3}, r"input\.scan\.step is 0\.3, but 0\.4 in a_Settings\.txt; .*override"),
        ({"angle": 90}, r"input\.scan\.angle"),
    ],
)
def test_contradictions_show_both(change, sentence):
    with pytest.raises(InputError, match=sentence):
        decide_scan({"kind": "stage", **change}, SETTINGS)


@pytest.mark.parametrize("name", ["angle", "step"])
def test_what_nobody_tells_is_asked_for(name):
    scan = {key: SCAN[key] for key in {"angle", "step"} - {name}}
    with pytest.raises(InputError, match=rf"psf\.scan\.{name} is not known"):
        decide_scan({"kind": "stage", **scan}, None, key="psf.scan", rest={"step": 1})


def test_planes_lie_step_times_sine_apart():
    distance = 0.4 * math.sin(math.radians(31.5))
    assert set_plane_distance({}, None, SCAN, KEYS)[0] == pytest.approx({"z": distance})
    assert set_plane_distance({"z": 0.21}, None, SCAN, KEYS)[0] == pytest.approx({"z": distance})
    with pytest.raises(InputError, match=r"voxel_size\.z is 0\.4 um, .*0\.4 um \* sin\(31\.5 degrees\) = 0\.209 um"):
        set_plane_distance({"z": 0.4}, None, SCAN, KEYS)


@pytest.mark.parametrize(("z", "rest"), [(0.4, {}), (0.209, {"z": 0.209}), (0.3, {"z": 0.3})])
def test_a_file_may_have_the_step_for_z(z, rest):
    assert set_plane_distance({}, FileMetadata("a", {"z": z}), SCAN, KEYS)[1].voxel_size == rest
