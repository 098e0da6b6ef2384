"""`iterations`, `scale` and `precision: auto`: tried once for a channel, and kept until what they rest on changes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lightsheet.processing.channel_choices import write_choices
from lightsheet.processing.trial_choices import choose_by_trial, close_settings, find_noise, list_open_settings
from lightsheet.store import Results
from lightsheet.system import InputError, write_json

SETTINGS = {
    "engine": "cpu",
    "iterations": "auto",
    "boundary": "extended",
    "acceleration": "none",
    "background": 100,
    "dtype": "uint16",
    "scale": "auto",
}
OPEN = {"red": SETTINGS}
PSFS = {"red": "abc"}


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """A channel of which five timepoints were sampled."""
    results = Results(tmp_path)
    timepoints = [0, 10, 20, 30, 40]
    entry = {
        "basis": {"shape": [2, 3, 4], "dtype": "uint16"},
        "timepoints": timepoints,
        "tiles": {str(t): [] for t in timepoints},
        "background": {"value": 100, "problem": "", "warning": ""},
    }
    write_choices(results, {"red": entry})
    return results


def describe(brightest: float, step: float = 0.0, bits: int = 23, noise: float = 0.0) -> dict[str, float]:
    """Return what `describe_fineness` does; without noise, unless it is given."""
    return {"brightest": brightest, "noise": noise, "bits": bits, "step": step}


class Trials:
    """Workers that find given numbers, or errors, at timepoints."""

    def __init__(self, iterations: dict[int, Any], fineness: dict[int, Any]) -> None:
        fineness = {t: describe(value) if isinstance(value, float) else value for t, value in fineness.items()}
        self.answers = {"iterations": iterations, "scale": fineness, "precision": fineness}
        self.trials = list[tuple[str, int]]()

    def __call__(self, name: str, tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
        errors = {}
        for label, task in tasks.items():
            timepoint = int(label.split()[-1])
            self.trials.append((name, timepoint))
            assert name == "iterations" or isinstance(task["settings"]["iterations"], int)
            answer = self.answers[name][timepoint]
            if isinstance(answer, str):
                errors[label] = answer
            else:
                write_json(task["path"], answer)
        return errors


def test_the_median_of_three_timepoints_is_kept(results: Results) -> None:
    trials = Trials({0: 31, 20: 50, 40: 34}, {0: 900.0, 20: 1000.0, 40: 800.0})
    choices = choose_by_trial(results, OPEN, PSFS, trials)
    assert close_settings(SETTINGS, choices["red"], "abc") == {**SETTINGS, "iterations": 34, "scale": 33}
    assert choices["red"]["iterations"]["timepoints"] == {"0": 31, "20": 50, "40": 34}
    assert not (results.work_area / "trials").exists() or not any((results.work_area / "trials").iterdir())
    again = Trials({}, {})
    assert choose_by_trial(results, OPEN, PSFS, again) == choices
    assert again.trials == []


@pytest.mark.parametrize(
    ("change", "psf", "names"),
    [
        ({}, "abc", []),
        ({"engine": "gpu"}, "abc", []),
        ({"dtype": "float32", "scale": 1}, "abc", []),
        ({"iterations": 7}, "abc", ["scale"]),
        ({"background": 101}, "abc", ["iterations", "scale"]),
        ({"acceleration": "biggs"}, "abc", ["iterations", "scale"]),
        ({"fill": 0}, "abc", ["iterations", "scale"]),
        ({}, "another", ["iterations", "scale"]),
        ({}, None, ["iterations", "scale"]),
        ({"iterations": "auto-per-volume"}, "abc", ["scale"]),
    ],
)
def test_it_holds_until_a_key_or_the_psf_changes(
    results: Results, change: dict[str, Any], psf: str | None, names: list[str]
) -> None:
    trials = Trials({0: 31, 20: 33, 40: 34}, {0: 900.0, 20: 1000.0, 40: 800.0})
    choice = choose_by_trial(results, OPEN, PSFS, trials)["red"]
    assert list_open_settings({**SETTINGS, **change}, choice, psf) == names


def test_dark_and_damaged_timepoints_do_not_count(results: Results, caplog: pytest.LogCaptureFixture) -> None:
    trials = Trials({0: "a.tif is damaged", 20: None, 40: 34}, {0: "a.tif is damaged", 20: None, 40: 1e-3})
    choice = choose_by_trial(results, OPEN, PSFS, trials)["red"]
    assert choice["iterations"]["value"] == 34
    assert choice["scale"]["value"] == 33_000_000
    assert "iterations: auto leaves out red timepoint 0: a.tif is damaged" in caplog.text


def test_a_channel_without_light_needs_one_iteration(results: Results) -> None:
    no_trials = dict.fromkeys((0, 20, 40))
    choice = choose_by_trial(results, OPEN, PSFS, Trials(no_trials, no_trials))["red"]
    assert (choice["iterations"]["value"], choice["scale"]["value"]) == (1, 1)


def test_where_no_timepoint_can_be_tried_the_reason_is_said(results: Results) -> None:
    noiseless = dict.fromkeys((0, 20, 40), "iterations: auto finds no noise")
    with pytest.raises(InputError, match="red: iterations: auto finds no noise"):
        choose_by_trial(results, OPEN, PSFS, Trials(noiseless, {}))


def test_each_volume_by_itself_only_if_that_is_the_wish() -> None:
    closed = close_settings({**SETTINGS, "iterations": "auto-per-volume", "scale": 2}, None, "abc")
    assert closed == {**SETTINGS, "iterations": "auto", "scale": 2}


def test_whole_numbers_are_no_finer_than_noise_asks_for(results: Results) -> None:
    noisy = {0: describe(900.0, 0.1), 20: describe(1000.0, 0.2), 40: describe(800.0, 0.3)}
    choices = choose_by_trial(results, OPEN, PSFS, Trials({0: 31, 20: 50, 40: 34}, noisy))
    assert (choices["red"]["scale"]["value"], choices["red"]["scale"]["bits"]) == (33, 15), "0.1 counts are 3.3 levels"
    closed = close_settings(SETTINGS, choices["red"], "abc")
    assert closed == {**SETTINGS, "iterations": 34, "scale": 33, "precision": 15}
    assert find_noise(closed, choices["red"], "abc") == 0
    assert list_open_settings(SETTINGS, choices["red"], "abc") == []


def test_what_is_dim_has_some_whole_numbers_too(results: Results) -> None:
    noisy = dict.fromkeys((0, 20, 40), describe(1000.0, 300.0))
    choices = choose_by_trial(results, OPEN, PSFS, Trials({0: 31, 20: 50, 40: 34}, noisy))
    assert choices["red"]["scale"]["bits"] == 11, "1 in 1000 of the brightest voxel, of 33 levels a count"


ROUNDED = {**SETTINGS, "dtype": "float32", "scale": 1, "precision": "auto"}


def test_precision_is_what_the_brightest_timepoint_needs(results: Results) -> None:
    tried = {0: describe(9.0, bits=6, noise=0.2), 20: describe(9.0, bits=8, noise=0.1), 40: describe(9.0, bits=7)}
    trials = Trials({0: 31, 20: 33, 40: 34}, tried)
    choice = choose_by_trial(results, {"red": ROUNDED}, PSFS, trials)["red"]
    assert [name for name, _ in trials.trials] == ["iterations"] * 3 + ["precision"] * 3
    closed = close_settings(ROUNDED, choice, "abc")
    assert closed == {**ROUNDED, "iterations": 33, "precision": 8}
    assert find_noise(closed, choice, "abc") == 0
    assert find_noise({**closed, "iterations": 34}, choice, "abc") is None, "the noise of another result"
    assert find_noise({**closed, "precision": 7}, choice, "abc") is None
    assert list_open_settings({**ROUNDED, "iterations": 7}, choice, "abc") == ["precision"]
    assert list_open_settings({**ROUNDED, "precision": 7}, choice, "abc") == []


def test_a_channel_without_light_is_not_rounded(results: Results) -> None:
    no_trials = dict.fromkeys((0, 20, 40))
    choice = choose_by_trial(results, {"red": ROUNDED}, PSFS, Trials(no_trials, no_trials))["red"]
    assert choice["precision"]["value"] == 23


def test_what_an_earlier_version_chose_holds(results: Results) -> None:
    """Its timepoints told the brightest voxel alone, and no noise."""
    trials = Trials({0: 31, 20: 33, 40: 34}, {0: 900.0, 20: 1000.0, 40: 800.0})
    choice = choose_by_trial(results, OPEN, PSFS, trials)["red"]
    choice["scale"]["timepoints"] = {"0": 900.0, "20": 1000.0, "40": 800.0}
    closed = close_settings(SETTINGS, choice, "abc")
    assert closed["scale"] == 33
    assert find_noise(closed, choice, "abc") is None
