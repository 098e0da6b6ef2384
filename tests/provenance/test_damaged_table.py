"""Tables of volumes that are damaged or foreign: a sentence and a code that is not 0, no traceback."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lightsheet.run.run import Run
from lightsheet.store.paths import VOLUMES_FILE
from tests.support.damaged_crate import COMMANDS, FUZZ, call_command, forge, refuse, restore

pytestmark = pytest.mark.slow


Rows = list[dict[str, Any]]


def read_rows(folder: Path) -> Rows:
    return list(csv.DictReader(io.StringIO((folder / VOLUMES_FILE).read_text())))


def format_rows(rows: Rows, names: list[str]) -> bytes:
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
    rows = read_rows(folder)
    names = list(rows[0])
    alter(rows)
    with restore(folder):
        forge(folder, VOLUMES_FILE, format_rows(rows, names))
        for command in COMMANDS:
            message = refuse(command, run, original, capsys)
            assert f"{folder / VOLUMES_FILE}: " in message
            assert problem in message


@pytest.mark.parametrize("name", ["timepoint", "channel_index", "settings", "sources", "result_blake3"])
def test_a_table_without_a_column_is_named(
    run: Run, original: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run.results.folder
    rows = read_rows(folder)
    with restore(folder):
        forge(folder, VOLUMES_FILE, format_rows(rows, [column for column in rows[0] if column != name]))
        for command in COMMANDS:
            assert f"column {name} is missing or damaged" in refuse(command, run, original, capsys)


def test_a_table_of_holes_alone_has_nothing_to_verify(
    run: Run, original: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run.results.folder
    rows = [{**row, "missing": "missing", "tiles": "", "pages": "", "sources": ""} for row in read_rows(folder)]
    with restore(folder):
        forge(folder, VOLUMES_FILE, format_rows(rows, list(rows[0])))
        assert "there is none to verify" in refuse("verify", run, original, capsys)


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
    rows = read_rows(folder)
    for row in rows:
        row["settings"] = json.dumps({**json.loads(row["settings"]), **changed})
    with restore(folder):
        forge(folder, VOLUMES_FILE, format_rows(rows, list(rows[0])))
        assert "are none of this version, see $." in refuse("verify", run, original, capsys)


def test_sources_that_do_not_fit_their_tiles_are_named(
    run: Run, original: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run.results.folder
    rows = [{**row, "tiles": "z0y0x0"} for row in read_rows(folder)]
    with restore(folder):
        forge(folder, VOLUMES_FILE, format_rows(rows, list(rows[0])))
        assert "do not fit" in refuse("verify", run, original, capsys)


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
    rows = read_rows(folder)
    names = list(rows[0])
    name = names[column % len(names)]
    for number in {row, 0}:
        rows[number][name] = cell
    with restore(folder):
        forge(folder, VOLUMES_FILE, format_rows(rows, names))
        for command in COMMANDS:
            assert call_command(command, run, original) in (0, 1, 2)
            assert "Traceback" not in capsys.readouterr().err
