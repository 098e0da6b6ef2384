"""Crates, configurations and tables that are damaged or foreign: a sentence and a code that is not 0, no traceback.

`make fuzz` tries longer.
"""

import copy
import csv
import hashlib
import io
import json
import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, strategies as st

from lightsheet import cli
from lightsheet.provenance import verify
from lightsheet.run.run import Run
from lightsheet.store.paths import CONFIG_FILE, REQUIREMENTS_FILE, VOLUMES_FILE
from tests.support import examples, tiny_run
from tests.support.json_values import a_value, list_places

pytestmark = pytest.mark.slow

CRATE = "ro-crate-metadata.json"
FILES = (CRATE, CONFIG_FILE, VOLUMES_FILE, REQUIREMENTS_FILE)
FUZZ = examples.take(0.25, HealthCheck.function_scoped_fixture)
COMMANDS = ("repeat", "verify", "compare")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Whose provenance is damaged for a while, and restored."""
    return tiny_run.make(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def original(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The provenance of the run alone, to compare with."""
    copied = tmp_path_factory.mktemp("original")
    shutil.copytree(run.results.folder / "provenance", copied / "provenance")
    shutil.copy(run.results.crate, copied)
    return copied


@contextmanager
def _restore(folder: Path) -> Iterator[None]:
    true = {name: (folder / name).read_bytes() for name in FILES}
    try:
        yield
    finally:
        for name, content in true.items():
            (folder / name).write_bytes(content)


def _forge(folder: Path, name: str, content: bytes) -> None:
    """Replace a file, and make the crate's digest fit."""
    (folder / name).write_bytes(content)
    described = json.loads((folder / CRATE).read_text())
    for entity in described["@graph"]:
        if entity["@id"] == name:
            entity["sha256"] = hashlib.sha256(content).hexdigest()
    (folder / CRATE).write_text(json.dumps(described))


def _call(command: str, run: Run, original: Path) -> int:
    folder = str(run.results.folder)
    arguments = {
        "repeat": [folder, str(run.acquisition.folder)],
        "verify": [folder, "--volumes", "1", "--threads", "1", "--seed", "0"],
        "compare": [folder, str(original)],
    }
    return cli.main([command, *arguments[command]])


def _refuse(command: str, run: Run, original: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Demand a sentence and code 2; return the sentence."""
    assert _call(command, run, original) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"lightsheet {command}: ")
    assert "Traceback" not in captured.err
    return captured.err


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
    with _restore(run.results.folder):
        if name == CRATE:
            run.results.crate.write_bytes(content)
        else:
            _forge(run.results.folder, name, content)
        for command in COMMANDS:
            assert str(run.results.folder / name) in _refuse(command, run, original, capsys)


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
    with _restore(folder):
        _forge(folder, CONFIG_FILE, yaml.safe_dump(config).encode())
        assert f"{folder / CONFIG_FILE} is no configuration of this workflow; " in _refuse(
            command, run, original, capsys
        )


def test_a_configuration_that_this_version_cannot_repeat_is_named(
    run: Run, original: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run.results.folder
    config = yaml.safe_load((folder / CONFIG_FILE).read_text())
    config["deconvolution"]["magic"] = 1
    with _restore(folder):
        _forge(folder, CONFIG_FILE, yaml.safe_dump(config).encode())
        assert "config key deconvolution.magic is unknown" in _refuse("repeat", run, original, capsys)
        assert _call("verify", run, original) == 0


Rows = list[dict[str, Any]]


def _read_rows(folder: Path) -> Rows:
    return list(csv.DictReader(io.StringIO((folder / VOLUMES_FILE).read_text())))


def _format_rows(rows: Rows, names: list[str]) -> bytes:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode("utf-8", "surrogateescape")


TABLES: dict[str, tuple[Callable[[Rows], object], str]] = {
    "no rows": (lambda rows: rows.clear(), "describes no volume"),
    "a row twice": (lambda rows: rows.append(rows[0]), "describes a volume twice"),
    "no timepoint": (lambda rows: rows[1].update(timepoint=""), "column timepoint is missing or damaged in row 3"),
    "a negative timepoint": (lambda rows: rows[1].update(timepoint="-1"), "column timepoint"),
    "a timepoint of text": (lambda rows: rows[1].update(timepoint="one"), "column timepoint"),
    "a channel that leads elsewhere": (lambda rows: rows[0].update(channel="../x"), "column channel"),
    "no digest": (lambda rows: rows[0].update(result_blake3="0"), "column result_blake3"),
    "pages without a step": (lambda rows: rows[0].update(pages="0:1:0:1"), "column pages"),
    "a block of nothing": (lambda rows: rows[0].update(block="0 1 1"), "column block"),
    "settings that are no JSON": (lambda rows: rows[0].update(settings="{"), "column settings"),
    "settings that are none": (lambda rows: rows[0].update(settings="{a}"), "CamA_ch0_488nm t0 are damaged"),
    "settings without a number": (lambda rows: rows[0].update(settings='{"a": NaN}'), "are damaged"),
    "endless settings": (lambda rows: rows[0].update(settings='{"a":' + "[" * 99_999 + "}"), "are damaged"),
    "a name with a line break": (lambda rows: rows[0].update(sources="a%0Ab.tif"), "names a file that has a control"),
}  # fmt: skip


@pytest.mark.parametrize("change", TABLES)
def test_a_damaged_table_is_named(run: Run, original: Path, change: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder, (alter, problem) = run.results.folder, TABLES[change]
    rows = _read_rows(folder)
    names = list(rows[0])
    alter(rows)
    with _restore(folder):
        _forge(folder, VOLUMES_FILE, _format_rows(rows, names))
        for command in COMMANDS:
            message = _refuse(command, run, original, capsys)
            assert f"{folder / VOLUMES_FILE}: " in message
            assert problem in message


@pytest.mark.parametrize("name", ["timepoint", "channel_index", "settings", "sources", "result_blake3"])
def test_a_table_without_a_column_is_named(
    run: Run, original: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run.results.folder
    rows = _read_rows(folder)
    with _restore(folder):
        _forge(folder, VOLUMES_FILE, _format_rows(rows, [column for column in rows[0] if column != name]))
        for command in COMMANDS:
            assert f"column {name} is missing or damaged" in _refuse(command, run, original, capsys)


def test_a_table_of_holes_alone_has_nothing_to_verify(
    run: Run, original: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run.results.folder
    rows = [{**row, "missing": "missing", "tiles": "", "pages": "", "sources": ""} for row in _read_rows(folder)]
    with _restore(folder):
        _forge(folder, VOLUMES_FILE, _format_rows(rows, list(rows[0])))
        assert "there is none to verify" in _refuse("verify", run, original, capsys)


SETTINGS = [
    *({"engine": value} for value in ("magic", None, ["cpu"])),
    *({"iterations": value} for value in (0, -1, 10**6, 1.5, "many", None)),
    *({"background": value} for value in ("none", None, {}, True)),
    *({"scale": value} for value in (0, -1, "x")),
    {"boundary": "elsewhere"},
    {"acceleration": []},
    {"dtype": "object"},
]


@pytest.mark.parametrize("changed", SETTINGS, ids=str)
def test_settings_of_no_version_are_named(
    run: Run, original: Path, changed: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run.results.folder
    rows = _read_rows(folder)
    for row in rows:
        row["settings"] = json.dumps({**json.loads(row["settings"]), **changed})
    with _restore(folder):
        _forge(folder, VOLUMES_FILE, _format_rows(rows, list(rows[0])))
        assert "are none of this version, see $." in _refuse("verify", run, original, capsys)


def test_sources_that_do_not_fit_their_tiles_are_named(
    run: Run, original: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run.results.folder
    rows = [{**row, "tiles": "z0y0x0"} for row in _read_rows(folder)]
    with _restore(folder):
        _forge(folder, VOLUMES_FILE, _format_rows(rows, list(rows[0])))
        assert "do not fit" in _refuse("verify", run, original, capsys)


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
    with _restore(run.results.folder):
        _set_in_graph(run.results.folder, "#run", change)
        assert "does not say where the raw files were; say it with --raw" in _refuse("verify", run, original, capsys)
        assert _call("repeat", run, original) == 0


def test_a_result_of_another_shape_differs() -> None:
    assert verify.measure_relative_l2(np.ones((1, 2, 2)), np.ones((1, 2, 3))) == math.inf


@given(data=st.data(), name=st.sampled_from(FILES[1:3]), content=st.binary(max_size=6))
@FUZZ
def test_any_damaged_byte_of_what_the_crate_names_is_refused(
    run: Run, original: Path, data: st.DataObject, name: str, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run.results.folder / name
    with _restore(run.results.folder):
        true = path.read_bytes()
        at, cut = data.draw(st.integers(0, len(true))), data.draw(st.sampled_from([0, 1, 5, len(true)]))
        damaged = true[:at] + content + true[at + cut :]
        if damaged != true:
            path.write_bytes(damaged)
            for command in COMMANDS:
                assert "its digest differs" in _refuse(command, run, original, capsys)


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
    with _restore(folder):
        if name == CRATE:
            run.results.crate.write_text(json.dumps(content.get("")))
        else:
            _forge(folder, name, yaml.dump(content.get("")).encode("utf-8", "surrogatepass"))
        for command in COMMANDS:
            assert _call(command, run, original) in (0, 1, 2)
            assert "Traceback" not in capsys.readouterr().err


@pytest.mark.slow
@given(
    row=st.integers(0, 3),
    column=st.integers(0, 40),
    cell=st.text(max_size=5)
    | st.binary(max_size=3).map(lambda content: content.decode("utf-8", "surrogateescape"))
    | st.sampled_from(["0", "-1", "1e9", "99999999", "all", "z9y9x9", "{}", "nan"])
    | st.sampled_from(["0:9:1:9", "0:999999999:1:999999999", "all all", "x.tif y.tif"]),
)
@FUZZ
def test_any_other_cell_is_no_traceback(
    run: Run, original: Path, row: int, column: int, cell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run.results.folder
    rows = _read_rows(folder)
    names = list(rows[0])
    name = names[column % len(names)]
    for number in {row, 0}:
        rows[number][name] = cell
    with _restore(folder):
        _forge(folder, VOLUMES_FILE, _format_rows(rows, names))
        for command in COMMANDS:
            assert _call(command, run, original) in (0, 1, 2)
            assert "Traceback" not in capsys.readouterr().err
