r"""Names as bytes that are not UTF-8, or with control characters: shown, refused, and never a traceback."""

import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from lightsheet.system import names
from lightsheet.system.errors import InputError
from lightsheet.system.escapes import escape_lines, escape_name

MICRO = os.fsdecode(b"G\xb5")  # as Windows wrote it, in Latin-1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (MICRO, r"G\xb5"),
        ("5 µm 細胞\xa0\u200b.tif", "5 µm 細胞\xa0\u200b.tif"),
        ("a\nERROR b\x1b[2J\x85\u2028\x7f", r"a\nERROR b\x1b[2J\x85\u2028\x7f"),
        ("\ud800", r"\ud800"),
    ],
)
def test_a_name_is_shown_in_a_line(name: str, text: str) -> None:
    assert escape_name(name) == text
    assert (names.find_name_fault(name) is None) == (name == text)


@given(st.binary(max_size=40))
def test_any_name_can_be_written_down(content: bytes) -> None:
    name = os.fsdecode(content)
    assert len(escape_name(name).encode().splitlines()) <= 1
    str(InputError(name)).encode()
    assert escape_lines(escape_name(name)) == escape_name(name)


def test_an_error_keeps_its_lines_and_crosses_processes() -> None:
    error = pickle.loads(pickle.dumps(InputError(f"{MICRO}: one\n\ttwo\x1b")))
    assert str(error) == "G\\xb5: one\n\ttwo\\x1b"


def test_a_path_is_refused_for_its_folders_and_for_what_its_links_lead_to(tmp_path: Path) -> None:
    (tmp_path / MICRO / "below").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / MICRO)
    names.check_path(tmp_path / "link" / "..")
    for path in (tmp_path / MICRO / "below", tmp_path / "link" / "new", tmp_path / "a\0b", tmp_path / "a\nb"):
        with pytest.raises(InputError, match=r"this path (is not UTF-8|has a control character in it); rename it"):
            names.check_path(path)
