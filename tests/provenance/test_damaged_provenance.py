"""Crates, configurations and tables that are damaged or foreign: a sentence and a code that is not 0, no traceback.

`make fuzz` tries longer.
"""

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, strategies as st

from lightsheet.provenance import verify
from lightsheet.run.run import Run
from lightsheet.store.paths import CONFIG_FILE
from tests.support.damaged_crate import COMMANDS, CRATE, FILES, FUZZ, call_command, forge, refuse, restore
from tests.support.json_values import a_value, list_places

pytestmark = pytest.mark.slow


BROKEN = [
    b"",
    b"[]",
    b"{}",
    b"null",
    b"1",
    b"\xb5",
    b"{",
    b"[" * 100_000,
    b"a: &a [*a, *a]",
    b"x: !!bool 7",
    b"d: 2020-99-99",
]


@pytest.mark.parametrize("content", BROKEN, ids=lambda content: repr(content[:20]))
@pytest.mark.parametrize("name", FILES[:3])
def test_a_file_of_something_else_is_named(
    run: Run, original: Path, name: str, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    with restore(run.results.folder):
        if name == CRATE:
            run.results.crate.write_bytes(content)
        else:
            forge(run.results.folder, name, content)
        for command in COMMANDS:
            assert str(run.results.folder / name) in refuse(command, run, original, capsys)


SECTIONS = ("name", "input", "voxel_size", "psf", "deconvolution", "output")
CONFIGS: dict[str, Callable[[dict[str, Any]], object]] = {
    **{f"no {key}": lambda c, key=key: c.pop(key) for key in SECTIONS},
    "a name that leads elsewhere": lambda c: c.update(name="../../etc"),
    "a list for a section": lambda c: c.update(input=[]),
    "no files of PSFs": lambda c: c["psf"].update(files={}),
    "a voxel of no size": lambda c: c["voxel_size"].update(z=0),
    "a voxel of text": lambda c: c["voxel_size"].update(z="1"),
    "a voxel that is no number": lambda c: c["voxel_size"].update(z=math.nan),
    "no voxel of the PSF": lambda c: c["psf"].pop("voxel_size"),
}  # fmt: skip


@pytest.mark.parametrize("change", CONFIGS)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_foreign_configuration_is_named(
    run: Run, original: Path, change: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run.results.folder
    config = copy.deepcopy(yaml.safe_load((folder / CONFIG_FILE).read_text()))
    CONFIGS[change](config)
    with restore(folder):
        forge(folder, CONFIG_FILE, yaml.safe_dump(config).encode())
        assert f"{folder / CONFIG_FILE} is no configuration of this workflow; " in refuse(
            command, run, original, capsys
        )


def test_a_configuration_that_this_version_cannot_repeat_is_named(
    run: Run, original: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run.results.folder
    config = yaml.safe_load((folder / CONFIG_FILE).read_text())
    config["deconvolution"]["magic"] = 1
    with restore(folder):
        forge(folder, CONFIG_FILE, yaml.safe_dump(config).encode())
        assert "config key deconvolution.magic is unknown" in refuse("repeat", run, original, capsys)
        assert call_command("verify", run, original) == 0


def _set_in_graph(folder: Path, identifier: str, change: Callable[[dict[str, Any]], object]) -> None:
    described = json.loads((folder / CRATE).read_text())
    for entity in described["@graph"]:
        if entity["@id"] == identifier:
            change(entity)
    (folder / CRATE).write_text(json.dumps(described))


@pytest.mark.parametrize(
    "change",
    [
        lambda run: run.pop("object"),
        lambda run: run.update(object=[{"@id": "#nothing"}]),
        lambda run: run.update({"@id": "#"}),
    ],
)
def test_a_crate_that_does_not_say_where_raw_files_were(
    run: Run, original: Path, change: Callable[[dict[str, Any]], object], capsys: pytest.CaptureFixture[str]
) -> None:
    with restore(run.results.folder):
        _set_in_graph(run.results.folder, "#run", change)
        assert "does not say where the raw files were; say it with --raw" in refuse("verify", run, original, capsys)
        assert call_command("repeat", run, original) == 0


def test_a_result_of_another_shape_differs() -> None:
    assert verify.measure_relative_l2(np.ones((1, 2, 2)), np.ones((1, 2, 3))) == math.inf


@given(data=st.data(), name=st.sampled_from(FILES[1:3]), content=st.binary(max_size=6))
@FUZZ
def test_any_damaged_byte_of_what_the_crate_names_is_refused(
    run: Run, original: Path, data: st.DataObject, name: str, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run.results.folder / name
    with restore(run.results.folder):
        true = path.read_bytes()
        at, cut = data.draw(st.integers(0, len(true))), data.draw(st.sampled_from([0, 1, 5, len(true)]))
        damaged = true[:at] + content + true[at + cut :]
        if damaged != true:
            path.write_bytes(damaged)
            for command in COMMANDS:
                assert "its digest differs" in refuse(command, run, original, capsys)


@pytest.mark.slow
@given(data=st.data(), value=a_value, is_deleted=st.booleans(), name=st.sampled_from([CRATE, CONFIG_FILE]))
@FUZZ
def test_any_other_value_in_crate_or_configuration_is_no_traceback(
    run: Run,
    original: Path,
    data: st.DataObject,
    value: Any,
    is_deleted: bool,
    name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where the digest fits, and the value may even mean something."""
    folder = run.results.folder
    text = (folder / name).read_text()
    content = {"": json.loads(text) if name == CRATE else yaml.safe_load(text)}
    place = data.draw(st.sampled_from(list(list_places(content[""]))))
    inner: Any = content
    for key in ("", *place)[:-1]:
        inner = inner[key]
    inner[("", *place)[-1]] = value
    if is_deleted:
        del inner[("", *place)[-1]]
    with restore(folder):
        if name == CRATE:
            run.results.crate.write_text(json.dumps(content.get("")))
        else:
            forge(folder, name, yaml.dump(content.get("")).encode("utf-8", "surrogatepass"))
        for command in COMMANDS:
            assert call_command(command, run, original) in (0, 1, 2)
            assert "Traceback" not in capsys.readouterr().err
