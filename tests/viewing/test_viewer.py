"""What view.py prints and serves; that a browser shows it is in test_readers.py."""

import dataclasses
import json
import math
import os
import shlex
import signal
import subprocess
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

import numpy as np
import pytest

from lightsheet import cli
from lightsheet.store import read_image
from lightsheet.viewing import viewer
from tests.support import published_run, stored_run
from tests.support.families import parametrize
from tests.support.published_run import CHANNELS, INTERVAL, Run

SHAPE = (4, 30, 200)
FIRST, SECOND = CHANNELS
URL = "http://127.0.0.1:8000/secret"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("a view") / "[1]"
    return published_run.make(folder, SHAPE, timepoints=2, missing=[(SECOND, 0)])


def test_each_channel_is_a_layer_in_its_colour_and_contrast(run: Run) -> None:
    layers = viewer.describe_state(run.results, URL)["layers"]
    assert [layer["name"] for layer in layers] == [f"{FIRST} raw", f"{SECOND} raw", FIRST, SECOND]
    assert [layer["source"] for layer in layers] == [
        f"{URL}/raw/{FIRST}.ome.zarr/|zarr3:",
        f"{URL}/raw/{SECOND}.ome.zarr/|zarr3:",
        *[f"{URL}/run.ome.zarr/|zarr3:"] * 2,
    ]
    assert [layer.get("localPosition") for layer in layers] == [None, None, [0], [1]]
    for layer, colour in zip(layers, ["00FF40", "FFC000"] * 2, strict=True):
        assert "range=[0.0, 4000.0]" in layer["shader"]
        assert f'"#{colour}"' in layer["shader"]


@parametrize("dtype", ["int64", "float16", "float64"])
def test_raw_voxels_that_neuroglancer_cannot_show_are_left_to_napari(tmp_path: Path, dtype: str) -> None:
    run = published_run.make(tmp_path, (2, 3, 4), dtypes={"raw": dtype, "result": "float32"})
    state = viewer.describe_state(run.results, URL)
    assert [layer["name"] for layer in state["layers"]] == [FIRST, SECOND]
    assert [len(row["children"]) for row in state["layout"]["children"]] == [1, 1]
    text = viewer.describe_viewers(run.results, URL)
    assert f"(without the raw volumes: it cannot show {dtype}; napari can)" in text
    assert str(run.results.raw_store(FIRST)) in text


def test_the_view_opens_in_the_middle_of_the_first_whole_timepoint(run: Run) -> None:
    state = viewer.describe_state(run.results, URL)
    assert state["position"] == [1, 1.5, 14.5, 99.5]
    assert state["dimensions"]["t"] == [INTERVAL, "s"]
    lengths = {axis: state["dimensions"][axis] for axis in "zyx"}
    assert lengths == {axis: [pytest.approx(size * 1e-6), "m"] for axis, size in published_run.VOXEL.items()}


def test_any_name_of_a_channel_is_a_url(tmp_path: Path) -> None:
    results = stored_run.make(tmp_path, 1)
    state = viewer.describe_state(results, URL)
    place = urlsplit(state["layers"][0]["source"]).path
    assert unquote(place) == f"/secret/raw/{stored_run.SPECIAL}.ome.zarr/|zarr3:"
    assert state["dimensions"]["t"] == [1, ""], "no time is known"


def test_the_instructions_can_be_pasted(run: Run) -> None:
    lines = viewer.describe_viewers(run.results, URL).splitlines()
    assert f"  https://neuroglancer-demo.appspot.com/#!{URL}/view.json" in lines
    (napari,) = [shlex.split(line) for line in lines if line.startswith("  napari")]
    stores = [run.results.raw_store(FIRST), run.results.raw_store(SECOND), run.results.store]
    assert napari == ["napari", "--plugin", "napari-ome-zarr", *map(str, stores)]
    assert any(line.startswith("  ssh -N -L 8000:127.0.0.1:8000 ") for line in lines)


def test_napari_lays_raw_planes_of_a_stage_scan_over_the_result(tmp_path: Path) -> None:
    """By a program, whose layers get the matrix of the raw stores."""
    scan = {"angle": 31.5, "step": 0.3, "axis": "x", "direction": 1}
    stage = published_run.make(tmp_path, (4, 6, 8), scan={"scan": scan, "pixel": 0.104, "geometry": "rotated"})
    lines = viewer.describe_viewers(stage.results, URL).splitlines()
    (command,) = [shlex.split(line) for line in lines if "napari.Viewer" in line]
    layers = {}

    def open_stores(stores: list[str], plugin: str) -> list[types.SimpleNamespace]:
        assert plugin == "napari-ome-zarr"
        return [layers.setdefault(store, types.SimpleNamespace()) for store in stores]

    def show(ndisplay: int) -> types.SimpleNamespace:
        assert ndisplay == 3, "planes are not sheared otherwise"
        return types.SimpleNamespace(open=open_stores)

    napari = types.SimpleNamespace(Viewer=show, run=lambda: None)
    assert command[:2] == ["python", "-c"]
    exec(command[2].replace("import napari; ", ""), {"napari": napari})
    raw, result = (layers[str(store)] for store in (stage.results.raw_store(FIRST), stage.results.store))
    sine = math.sin(math.radians(31.5))
    assert raw.affine[1] == [0, 0, 0, pytest.approx(-sine), 0]
    assert result.affine[1] == [0, 1, 0, 0, pytest.approx(-0.104 * math.floor(7 * sine))]
    assert [row[:4] for row in result.affine] == np.eye(5)[:, :4].tolist()


def test_a_part_of_raw_planes_lies_where_it_does_in_the_whole(tmp_path: Path) -> None:
    """Neuroglancer adds the store's translation before the matrix; of napari's layers it is taken away."""
    scan = {"angle": 31.5, "step": 0.3, "axis": "x", "direction": 1}
    stage = published_run.make(tmp_path, (4, 6, 8), scan={"scan": scan, "pixel": 0.104, "geometry": "raw"})
    whole = read_image(stage.results, "raw")
    part = dataclasses.replace(whole, origin=(1.0, 2.0, 3.0), start_seconds=4.0)
    assert whole.affine
    place = np.array(whole.affine) @ [1, 2, 3, 1]
    assert np.array(viewer._place_voxels(part))[:, 4] == pytest.approx([4, *place, 1])
    assert viewer._describe_source("", part, part.channels[0]) == viewer._describe_source("", whole, whole.channels[0])
    sizes = np.array([*whole.voxel_size.values()])
    positions = [viewer._describe_position(image)["position"] for image in (whole, part)]
    shift = np.array(positions[1]) - positions[0]
    assert shift == pytest.approx([4 / INTERVAL, *place / sizes])
    json.dumps(viewer.describe_state(stage.results, URL))


@contextmanager
def start(folder: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Start the script; yields it, and the lines that it has printed once it serves."""
    command = [sys.executable, "-m", "lightsheet.cli", "view", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout
        lines: list[str] = []
        try:
            while not lines or "ssh" not in lines[-1]:
                lines.append(process.stdout.readline())
                assert lines[-1], f"it ended: {''.join(lines)}"
            yield process, lines
        finally:
            process.kill()


@pytest.mark.slow
@parametrize("ended_by", [signal.SIGINT, signal.SIGTERM])
def test_the_script_serves_until_it_is_interrupted(run: Run, ended_by: signal.Signals) -> None:
    with start(run.results.folder) as (process, lines):
        (link,) = [line.strip().partition("#!")[2] for line in lines if "#!" in line]
        with urlopen(link) as reply:
            state = json.load(reply)
        assert state == viewer.describe_state(run.results, link.removesuffix("/view.json"))
        with urlopen(state["layers"][-1]["source"].removesuffix("|zarr3:") + "zarr.json") as reply:
            assert json.load(reply)["node_type"] == "group"
        process.send_signal(ended_by)
        assert process.wait(60) == 0
        assert "Traceback" not in (process.stdout.read() if process.stdout else "")


@pytest.mark.slow
def test_the_printed_program_opens_a_browser(run: Run, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path / "opened"}\n')
    browser.chmod(0o755)
    with start(run.results.folder) as (_, lines):
        (command,) = [shlex.split(line) for line in lines if line.startswith("  python")]
        environment = {**os.environ, "BROWSER": str(browser)}
        shell = subprocess.run(
            [sys.executable, *command[1:]], env=environment, input="print(len(viewer.state.layers))", text=True,
            capture_output=True, timeout=60,
        )  # fmt: skip
    assert shell.stdout.splitlines()[-1] == "4", shell.stderr
    assert (tmp_path / "opened").read_text().strip() == shell.stdout.splitlines()[0]


@pytest.mark.parametrize("argument", [[], ["--port", "70000"]])
def test_mistakes_are_said_in_a_sentence(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], argument: list[str]
) -> None:
    assert cli.main(["view", str(run.results.folder if argument else tmp_path), *argument]) == 2
    message = capsys.readouterr().err
    assert message.startswith("lightsheet view: ")
    assert message.count("\n") == 1
