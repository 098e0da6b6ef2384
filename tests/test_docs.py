"""Commands and links in README.md and docs/ are such that they work as they stand."""

import contextlib
import re
import shlex
from pathlib import Path

import pytest
from snakemake.cli import get_argument_parser

from lightsheet import cli

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TARGETS = set(re.findall(r"^rule (\w+):", (ROOT / "Snakefile").read_text(), re.MULTILINE))
MAKE_TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def list_commands(page: Path) -> list[str]:
    """Return the commands that stand in a page, in blocks or within lines."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL) + re.findall(r"^    (\S.*)$", text, re.MULTILINE)
    lines = [line.partition(" #")[0] for block in blocks for line in block.splitlines()]
    lines += re.findall(r"`((?:make|snakemake|sbatch|lightsheet|python benchmarks)\b[^`]*)`", text)
    return [line.strip() for line in lines if line.strip()]


COMMANDS = sorted({command for page in PAGES for command in list_commands(page)})


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_one(command: str) -> None:
    """That they do what is said of them is tested where the rules and commands are."""
    words = shlex.split(re.split("&&|;|>", command)[0])
    if not words[1:] or words[0] in ("open", "LC_ALL=C", "pip", "apptainer"):
        return
    if words[0] == "make":
        assert {word for word in words[1:] if "=" not in word} <= MAKE_TARGETS
    elif words[0] == "snakemake" or words[:2] == ["sbatch", "profiles/slurm/head.sbatch"]:
        arguments = words[1 + (words[0] == "sbatch") :]
        options = get_argument_parser(profiles=[]).parse_args(arguments)
        assert set(options.targets) <= TARGETS
    elif words[0] == "lightsheet" and words[1].islower():
        options = words[1:] if words[2:] else [words[1], "--help"]
        with contextlib.suppress(SystemExit) if options[-1] == "--help" else contextlib.nullcontext():
            cli.build_parser().parse_args(options)
    elif words[:1] == ["python"]:
        assert (ROOT / words[1]).is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]*)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if target and "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
