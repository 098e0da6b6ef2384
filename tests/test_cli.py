"""The command `lightsheet`: its help, its exit codes. What each command does is tested in the room that does it."""

import subprocess
import sys
from pathlib import Path

import pytest

from lightsheet import cli
from lightsheet.cli import begin, look, prove
from lightsheet.viewing.export import FORMATS

COMMANDS = ("init", "view", "export", "compare", "repeat", "verify", "simulate", "plan")


def test_choices_are_those_of_the_rooms() -> None:
    """The command lists them itself, for it imports no engine and no writer before it is asked to use one."""
    assert tuple(FORMATS) == look.FORMATS


@pytest.mark.parametrize("command", COMMANDS)
def test_help_describes_a_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert f"usage: lightsheet {command}" in text
    function = next(function for module in (begin, look, prove) if (function := getattr(module, command, None)))
    assert function.__doc__.partition("\n")[0].split()[0] in text


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert all(f"\n    {command} " in text for command in COMMANDS)


@pytest.mark.parametrize("arguments", [[], ["deconvolve"], ["verify"], ["verify", "results", "--volumes", "0"]])
def test_wrong_use_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert "usage: lightsheet" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["init", "{}"],
        ["view", "{}"],
        ["export", "{}", "--format", "ome-tiff", "--out", "out"],
        ["compare", "{}", "{}"],
        ["repeat", "{}", "{}"],
        ["verify", "{}"],
        ["simulate", "{}", "--shape", "0", "8", "8"],
        ["plan", "--pilot", "{}/pilot.json"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_missing_input_is_a_sentence_and_2(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([argument.format(tmp_path) for argument in arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"lightsheet {arguments[0]}: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["init", "{}"],
        ["init", "in", "--out", "{}"],
        ["view", "{}"],
        ["export", "{}", "--format", "ome-tiff", "--out", "out"],
        ["export", "in", "--format", "ome-tiff", "--out", "{}"],
        ["export", "in", "--format", "ome-tiff", "--out", "out", "--channels", "a", "{}"],
        ["compare", "{}", "b"],
        ["repeat", "a", "{}"],
        ["verify", "a", "--raw", "{}"],
        ["simulate", "{}"],
        ["simulate", "{}", "--name", "{}"],
        ["plan", "--pilot", "{}"],
        ["plan", "--engine", "{}"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize(("name", "text"), [("G\udcb5", r"G\xb5"), ("a\nb", r"a\nb")], ids=["not UTF-8", "newline"])
def test_a_name_that_cannot_be_written_down_is_a_sentence_and_2(
    arguments: list[str],
    name: str,
    text: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main([argument.format(name) for argument in arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"lightsheet {arguments[0]}: '")
    assert text in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content", ['{"channels": 3}', '{"channels": {}}', '{"channels": {"a": []}}', "[1]", '"channels"']
)
def test_a_damaged_pilot_is_a_sentence_and_2(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pilot.json").write_text(content)
    assert cli.main(["plan", "--pilot", str(tmp_path / "pilot.json")]) == 2
    assert "pilot.json" in capsys.readouterr().err


def test_a_plan_of_a_configuration_is_a_target_of_snakemake(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", "my runs/a.yaml"]) == 2
    assert "; snakemake -c all plan --configfile 'my runs/a.yaml' plans an acquisition" in capsys.readouterr().err


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied", "/a"), MemoryError()])
def test_what_the_system_refuses_is_a_sentence_and_2(
    error: Exception, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_folder: Path) -> None:
        raise error

    monkeypatch.setattr("lightsheet.store.find_finished", refuse)
    assert cli.main(["view", str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_simulation_ends_with_0(tmp_path: Path) -> None:
    sizes = ["--shape", "4", "12", "12", "--psf-shape", "31", "20", "20", "--timepoints", "1", "--channels", "1"]
    assert cli.main(["simulate", str(tmp_path), *sizes]) == 0
    assert len(list(tmp_path.glob("*.tif"))) == 1


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom lightsheet.cli import build_parser\nbuild_parser()\n"
        "sys.exit(bool({'dask', 'zarr', 'scipy', 'tifffile', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
