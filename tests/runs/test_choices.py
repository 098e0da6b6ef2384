"""What is chosen from a channel's pixels is one number for its whole movie, until a key changes."""

import contextlib
from typing import Any

import pytest
import tifffile

from lightsheet.processing import read_choices
from lightsheet.run.choices import choose_due
from lightsheet.simulation import simulate_volume
from lightsheet.store import Results
from tests.support.project import CHANNELS, ONE_WORKER, Project, redone

pytestmark = pytest.mark.workflow
SHAPE = (12, 40, 36)
NAMES = ("background", "iterations", "scale")
AUTO: dict[str, Any] = {
    "deconvolution": {"background": "auto", "iterations": "auto", "acceleration": "heavy-ball"},
    "output": {"dtype": "uint16", "scale": "auto"},
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One channel and two timepoints, all chosen from them; a third one, brighter over a higher offset, is appended."""
    project = Project(tmp_path_factory.mktemp("choices"))
    project.simulate(timepoints=2, shape=SHAPE, channels=1)
    project.configure_one_channel(**AUTO)
    project.succeed(*ONE_WORKER)
    return project


def list_settings(project: Project) -> list[tuple[Any, ...]]:
    """Return what the records say of each timepoint."""
    records = [project.record("result", 0, t) for t in range(len(project.tiffs()))]
    return [tuple(record["settings"][name] for name in NAMES) for record in records]


def read_choice(project: Project) -> dict[str, Any]:
    return read_choices(Results(project.results))[CHANNELS[0]]


def test_a_movie_keeps_its_numbers_when_a_timepoint_is_appended(project: Project) -> None:
    choice = read_choice(project)
    numbers = tuple(choice[name]["value"] for name in NAMES)
    assert list_settings(project) == [numbers] * 2
    statistics = [project.record("result", 0, t)["statistics"] for t in range(2)]
    assert [s["iterations"] for s in statistics] == [numbers[1]] * 2
    assert all(s["clipped_voxels"] == 0 for s in statistics)
    brightest = max(s["max"] for s in statistics) * numbers[2]
    assert 65535 / 3 < brightest < 65535, "grey levels are used, and half of them are left"
    assert project.list_due() == set()

    before = project.finished("result")
    first = project.tiffs()[0]
    name = first.name.replace("stack0000", "stack0002").replace("_0000000msec", "_0087496msec")
    tifffile.imwrite(first.with_name(name), 2 * simulate_volume(0, 2, SHAPE)[1])
    project.succeed()
    assert redone(before, project.finished("result")) == [f"{CHANNELS[0]}/t0002"]
    assert list_settings(project) == [numbers] * 3
    assert read_choice(project) == choice
    assert project.list_due() == set()


def test_what_is_lost_is_chosen_again_from_the_same_timepoints(project: Project) -> None:
    choice = read_choice(project)
    run = project.prepare()
    (project.results / "records" / "channels.json").unlink()
    assert "deconvolve.t0000" in project.list_due(), "it must look whether its volumes hold"
    with contextlib.chdir(project.folder):
        choose_due(run)
    assert read_choice(project) == {name: value for name, value in choice.items() if name not in NAMES[1:]}


def test_a_key_that_changes_changes_what_rests_on_it(project: Project) -> None:
    """The file is as the test before left it: the numbers of trials are lost as well."""
    (background, iterations, _), *_ = list_settings(project)
    section = {**AUTO["deconvolution"], "background": 90, "timepoints_per_job": 2}
    project.configure_one_channel(deconvolution=section, output=AUTO["output"])
    before = project.read_log("deconvolve.*")
    assert f"3 volumes again: background {background} -> 90" in project.succeed(*ONE_WORKER)
    news = project.read_log("deconvolve.*").removeprefix(before)
    choice = read_choice(project)
    assert choice["iterations"]["basis"]["background"] == 90
    assert choice["iterations"]["value"] != iterations, "light that was subtracted is there now"
    assert list_settings(project) == [(90, choice["iterations"]["value"], choice["scale"]["value"])] * 3
    assert news.count("iterations: auto comes to") == news.count("scale: auto comes to") == 1, (
        "the second job tries nothing"
    )
