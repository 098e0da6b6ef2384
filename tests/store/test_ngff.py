import pytest

from lightsheet.store import ngff, pyramid

VOXEL = {"z": 0.3, "y": 0.104, "x": 0.104}


def test_scales_carry_micrometres_and_seconds_and_coarse_levels_are_shifted() -> None:
    (described,) = ngff.describe_multiscales("a", "tczyx", pyramid.plan_levels((40, 300, 200), VOXEL), VOXEL, 43.748)
    assert [axis["name"] for axis in described["axes"]] == list("tczyx")
    assert described["axes"][0]["unit"] == "second"
    assert described["axes"][4] == {"name": "x", "type": "space", "unit": "micrometer"}
    full, half, quarter = (dataset["coordinateTransformations"] for dataset in described["datasets"])
    assert full == [{"type": "scale", "scale": [43.748, 1.0, 0.3, 0.104, 0.104]}]
    assert half[0]["scale"] == [43.748, 1.0, 0.3, 0.208, 0.208]
    # the mean of voxels 0 and 1 lies half a voxel from the centre of voxel 0; of voxels 0 to 3, one and a half
    assert half[1]["translation"] == pytest.approx([0, 0, 0, 0.052, 0.052])
    assert quarter[1]["translation"] == pytest.approx([0, 0, 0.15, 0.156, 0.156])


def test_an_unknown_interval_has_no_unit() -> None:
    (described,) = ngff.describe_multiscales("a", "tzyx", pyramid.plan_levels((4, 4, 4), VOXEL), VOXEL, None)
    assert described["axes"][0] == {"name": "t", "type": "time"}
    assert described["datasets"][0]["coordinateTransformations"][0]["scale"][0] == 1.0


def test_channels_have_colours_by_wavelength_and_windows_that_are_never_empty() -> None:
    wavelengths = {"b": 405, "g": 488, "o": 560, "r": 642, "u": None}
    channels = ngff.describe_channels(wavelengths, dict.fromkeys(wavelengths, (0, 0, 0, 0)))["channels"]
    assert [channel["color"] for channel in channels] == ["8000FF", "00FF40", "FFC000", "FF0000", "00FF00"]
    assert len({channel["color"] for channel in channels}) == 5
    assert all(channel["window"]["end"] > channel["window"]["start"] for channel in channels)


def test_a_store_of_one_channel_has_the_colour_that_it_has_in_the_store_of_all() -> None:
    wavelengths = dict.fromkeys(("a", "b", "c"))
    windows = dict.fromkeys(wavelengths, (0.0, 9.0, 0.0, 9.0))
    together = ngff.describe_channels(wavelengths, windows)["channels"]
    alone = [ngff.describe_channels(wavelengths, {name: windows[name]})["channels"] for name in wavelengths]
    assert together == [channel for (channel,) in alone]


def test_a_window_is_as_narrow_as_the_data_and_never_empty() -> None:
    windows = {"unit range": (0, 0.5, 0.01, 0.35), "large": (3e38, 3e38, 3e38, 3e38), "dark": (-2, -2, -2, -2)}
    channels = ngff.describe_channels(dict.fromkeys(windows), windows)["channels"]
    unit, large, dark = (channel["window"] for channel in channels)
    assert unit == {"min": 0, "max": 0.5, "start": 0.01, "end": 0.35}
    assert large["end"] > large["start"]
    assert dark["end"] > dark["start"]
