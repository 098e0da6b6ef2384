"""Ctrl-C that ends Snakemake's command where nothing else answers it."""

import sys

import pytest

from lightsheet.system.interrupts import INTERRUPTED, is_snakemake_command, say_interrupts


@pytest.mark.parametrize(
    ("program", "is_command"),
    [
        ("/a/bin/snakemake", True),
        ("snakemake", True),
        ("/a/site-packages/snakemake/__main__.py", True),
        ("/snakemake/b/pytest", False),
        ("", False),
    ],
)
def test_ctrl_c_is_a_sentence_in_snakemakes_command_alone(
    program: str, is_command: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[BaseException] = []
    monkeypatch.setattr(sys, "argv", [program])
    monkeypatch.setattr(sys, "excepthook", lambda _kind, error, _trace: shown.append(error))
    say_interrupts()
    interrupt, mistake = KeyboardInterrupt(), ValueError()
    for error in (interrupt, mistake):
        sys.excepthook(type(error), error, None)
    assert is_snakemake_command() == is_command
    assert shown == ([mistake] if is_command else [interrupt, mistake])
    assert capsys.readouterr().err == (f"\n{INTERRUPTED}\n" if is_command else "")
