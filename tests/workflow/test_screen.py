"""Lines that stay, and lines that are replaced, on terminals and other streams."""

import io
import os
import subprocess

import pytest

from lightsheet.workflow.screen import Screen, catch_errors, draw_bar
from tests.support.tty import Tty


def test_a_terminal_that_knows_no_escapes_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert not Screen(Tty()).is_terminal


def test_what_a_stream_cannot_show_is_escaped() -> None:
    content = io.BytesIO()
    stream = io.TextIOWrapper(content, encoding="ascii")
    Screen(stream).write("results/caf\xe9")
    assert content.getvalue() == b"results/caf\\xe9\n"


def test_what_processes_write_to_the_standard_error_is_handed_over(capfd: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    with catch_errors(lines.append) as real:
        subprocess.run(["/bin/sh", "-c", "echo lost >&2"], check=True)
        real.write("kept\n")
    os.write(2, b"after\n")
    assert lines == ["lost"]
    assert capfd.readouterr().err == "kept\nafter\n"


@pytest.mark.parametrize(("share", "full"), [(0.0, 0), (0.5, 10), (1.0, 20), (7.0, 20)])
def test_bars_stay_in_their_frame(share: float, full: int) -> None:
    assert draw_bar(share) == f"[{'#' * full}{'.' * (20 - full)}]"


def test_a_narrow_terminal_keeps_the_numbers_and_loses_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    line = f"deconvolve   {draw_bar(0.5)} 4 of 8 volumes, 1.9 s per volume, 8 s left"
    short = line.replace(f"{draw_bar(0.5)} ", "")
    for columns, expected in ((len(line) + 1, line), (len(line), short), (30, short[:29])):
        monkeypatch.setenv("COLUMNS", str(columns))
        screen = Screen(Tty())
        screen.draw([line])
        assert screen.stream.getvalue() == f"{expected}\n"  # type: ignore[attr-defined]
