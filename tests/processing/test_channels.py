"""What is chosen for a channel is kept, whatever becomes of its files, until a setting or all of them change."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from lightsheet.processing.channel_choices import list_choice_basis, read_choices, write_choices
from lightsheet.processing.channels import choose_for_channels
from lightsheet.store import Results
from lightsheet.system import InputError, write_json

SHAPE = (8, 32, 32)
Tiles = list[tuple[int, Any]]


class Movie:
    """A channel of darkness over an offset that is higher at each later timepoint."""

    def __init__(self, folder: Path, timepoints: int) -> None:
        self.folder, self.results, self.offset, self.timepoints = folder, Results(folder / "results"), 100, timepoints
        for t in range(timepoints):
            self.write(t)

    def path(self, timepoint: int) -> Path:
        return self.folder / f"{timepoint}.tif"

    def write(self, timepoint: int) -> None:
        noise = np.random.default_rng(timepoint).normal(self.offset + timepoint, 2, SHAPE)
        tifffile.imwrite(self.path(timepoint), noise.astype(np.uint16))

    def list_tiles(self, _channel: str) -> Tiles:
        return [(t, [((0, 0, 0), [(str(self.path(t)), None)])]) for t in range(self.timepoints)]

    def choose(self, background: Any = "auto") -> dict[str, Any]:
        bases = {"red": list_basis(background)}
        return choose_for_channels(self.results, bases, self.list_tiles)["red"]


def list_basis(background: Any) -> dict[str, Any]:
    return list_choice_basis(SHAPE, "uint16", background, "auto")


@pytest.fixture
def movie(tmp_path: Path) -> Movie:
    return Movie(tmp_path, 3)


def test_it_is_kept_when_timepoints_are_appended_or_one_is_replaced(movie: Movie) -> None:
    choice = movie.choose()
    assert choice["background"]["value"] == pytest.approx(100.5, abs=0.5)  # numbers are cut, not rounded
    movie.timepoints = 6
    for t in (1, 3, 4, 5):
        movie.offset = 500
        movie.write(t)
    again = movie.choose()
    assert (again["background"], again["timepoints"]) == (choice["background"], [0, 1, 2])


def test_other_dates_change_nothing_but_other_pixels_in_all_files_do(movie: Movie) -> None:
    choice = movie.choose()
    entries = read_choices(movie.results)
    entries["red"]["iterations"] = {"value": 7}
    write_choices(movie.results, entries)
    for t in range(3):
        os.utime(movie.path(t), (1e9, 1e9))
    again = movie.choose()
    assert (again["background"], again["iterations"]) == (choice["background"], {"value": 7})
    movie.offset = 500
    for t in range(3):
        movie.write(t)
    other = movie.choose()
    assert other["background"]["value"] == pytest.approx(500.5, abs=0.5)
    assert "iterations" not in other


def test_a_guess_from_few_voxels_is_told_where_it_is_used(movie: Movie) -> None:
    (warning,) = movie.choose()["warnings"]
    assert "is a guess; give deconvolution.background" in warning
    assert not movie.choose(background=100)["warnings"]


def test_another_setting_is_another_choice(movie: Movie) -> None:
    movie.choose()
    assert movie.choose(100)["basis"]["background"] == 100
    movie.timepoints = 4
    movie.write(3)
    assert movie.choose()["timepoints"] == [0, 1, 2, 3]


@pytest.mark.parametrize("content", ["", "[1]", '{"red": 1}', '{"red": {"basis": {}, "timepoints": [0]}}', "{"])
def test_a_damaged_file_is_made_anew(movie: Movie, content: str) -> None:
    choice = movie.choose()
    movie.results.channels.write_text(content)
    assert "red" not in read_choices(movie.results)
    assert movie.choose() == choice


def test_a_single_digit_that_is_damaged_is_noticed(movie: Movie) -> None:
    choice = movie.choose()
    written = movie.results.channels.read_text()
    value = f'"value": {choice["background"]["value"]}'
    assert written.count(value) == 1
    movie.results.channels.write_text(written.replace(value, f"{value}5"))
    assert not read_choices(movie.results)
    assert movie.choose() == choice
    assert movie.results.channels.read_text() == written


def test_a_lost_entry_is_made_from_the_timepoints_that_records_name(movie: Movie) -> None:
    choice = movie.choose()
    record = movie.results.folder / "records/result/red/t0001.json"
    write_json(record, {"status": "done", "sampled": [0, 1, 2]})
    movie.results.channels.unlink()
    movie.timepoints = 9
    for t in range(3, 9):
        movie.write(t)
    assert movie.choose() == choice


def test_a_channel_without_a_readable_file_stops_no_other(movie: Movie) -> None:
    for t in range(3):
        movie.path(t).write_bytes(b"damaged")
    choice = movie.choose()
    assert choice["timepoints"] == []
    assert len(choice["unreadable"]) == 3
    movie.write(1)
    assert movie.choose()["timepoints"] == [1]


def test_a_refusal_comes_before_any_work_and_is_no_choice(movie: Movie, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = {"value": None, "problem": "it is light", "warning": "", "timepoints": {}, "dark": [], "is_guess": False}
    monkeypatch.setattr("lightsheet.processing.channels.choose_background", lambda *_args, **_more: unknown)
    for _ in range(2):
        with pytest.raises(InputError, match=r"config key deconvolution\.background: red: it is light"):
            movie.choose()
    assert movie.choose(100)["background"] == unknown
    assert json.loads(movie.results.channels.read_text())["red"]["timepoints"] == [0, 1, 2]
