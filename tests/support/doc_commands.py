"""The commands that stand in the documentation, and a folder in which a reader types them, one after the other."""

import contextlib
import io
import logging
import os
import re
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import pytest
import yaml

from lightsheet import cli
from tests.support.project import ROOT, VOXEL

MARKDOWN = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MARKDOWN += [ROOT / "config" / "README.md", ROOT / "profiles" / "slurm" / "README.md"]
PAGES = [
    *MARKDOWN,
    *(ROOT / "config" / name for name in ("config.yaml", "demo.yaml")),
    *sorted(path for path in (ROOT / "profiles").rglob("*") if path.suffix in (".yaml", ".sbatch")),
]
PROGRAMS = (
    "make snakemake lightsheet sbatch python open git pip conda apptainer docker podman mkdir squeue sinfo sacctmgr"
)
BEGINNING = rf"({PROGRAMS.replace(' ', '|')}) \S|export [A-Z]|LC_ALL="
CLONE = ("Makefile", "Snakefile", "config", "scripts", "profiles", "envs", "report", "slurm")
"""What of a clone a run needs."""

PLACEHOLDERS = {
    "results/NAME": "results/demo",
    "repeated/NAME": "results/demo",  # the run itself in place of one that repeats it
    "--out FOLDER": "--out export",
    "/my/raw": "data/demo",
    "FOLDER": "data/demo",
    "--scan stage": "--scan stage --shape 12 40 36 --psf-shape 31 20 20 --timepoints 1 --channels 1",
}
"""What a reader types instead; a small scan in place of a large one."""

CACHE = Path.home() / ".cache"
"""Of this user: in a home of their own, a reader would compile engine cpu anew."""

TYPED = ("snakemake", "lightsheet", "make help", "mkdir")
"""What may be typed: nothing that installs, downloads, or changes anything outside the reader's folder."""


def list_commands(page: Path) -> list[str]:
    """Return the commands that stand in a page, in their order: in blocks, within lines, and in comments.

    Names of a command alone, such as `snakemake plan`, are none: a reader knows already how they are typed.
    """
    lines: list[str] = []
    for language, block, inline in re.findall(r"```(\w*)\n(.*?)```|`([^`]+)`", page.read_text(), re.DOTALL):
        lines += block.splitlines() if language == "sh" else [inline]
    commands = [" ".join(line.partition(" #")[0].split()) for line in lines]
    return [line for line in dict.fromkeys(commands) if re.match(BEGINNING, line)]


def is_name(command: str) -> bool:
    """Tell whether this only names a target or a command, within a sentence."""
    return re.fullmatch(r"(snakemake|lightsheet) [a-z]+", command) is not None


def _interrupt() -> None:
    raise KeyboardInterrupt


@dataclass
class Reader:
    """Somebody who has a clone with data/demo in it, and types what the pages say."""

    folder: Path
    typed: set[str] = field(default_factory=set)
    failures: dict[str, str] = field(default_factory=dict)

    def check_out(self) -> None:
        self.folder.mkdir()
        for name in CLONE:
            (self.folder / name).symlink_to(ROOT / name)

    def type(self, command: str) -> None:
        """Type a command, unless that was done before; a failure is kept with what it printed."""
        if command in self.typed:
            return
        self.typed.add(command)
        assert command.startswith(TYPED), f"`{command}`: not to be typed, so it belongs into the table of others"
        line = command
        for placeholder, text in PLACEHOLDERS.items():
            line = line.replace(placeholder, text)
        line, _, target = line.partition(" > ")
        words = shlex.split(line)
        if words[0] == "lightsheet":
            code, output, errors = self._call(words[1:])
        else:
            code, output, errors = self._run(line if words[0] == "mkdir" else words)
        if target:
            (self.folder / target).write_text(output)
        paths = [words[at + 1] for at, word in enumerate(words[:-1]) if word in ("--out", "--report")]
        missing = [name for name in paths if not (self.folder / name).exists()]
        if code or missing:
            self.failures[command] = f"exit {code}, not there: {missing}\n{output}{errors}"

    def _call(self, words: list[str]) -> tuple[int, str, str]:
        """Carry out `lightsheet` in this process; what serves until Ctrl-C gets it at once."""
        output, errors = io.StringIO(), io.StringIO()
        handlers = logging.root.handlers[:]
        with (
            mock.patch.dict(os.environ),  # a process of its own would leave it as it was
            pytest.MonkeyPatch.context() as patch,
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(errors),
        ):
            patch.setattr(signal, "pause", _interrupt)
            try:
                code = cli.main(words)
            except SystemExit as ended:  # of the parser
                code = int(ended.code or 0)
        logging.root.handlers[:] = handlers
        return code, output.getvalue(), errors.getvalue()

    def _run(self, command: str | list[str]) -> tuple[int, str, str]:
        if command[0] == "snakemake":
            command = [sys.executable, "-m", *command]
        ended = subprocess.run(
            command,
            shell=isinstance(command, str),
            cwd=self.folder,
            env={"XDG_CACHE_HOME": str(CACHE), **os.environ, "HOME": str(self.folder)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return ended.returncode, ended.stdout, ended.stderr

    def fill_in(self) -> None:
        """Write what `lightsheet init` could not know, and that two numbers of iterations are enough to try."""
        path = self.folder / "my.yaml"
        config = yaml.safe_load(path.read_text())
        config |= {"voxel_size": VOXEL, "pilot": {"iterations": [1, 5]}}
        config["psf"]["voxel_size"] = {**VOXEL, "z": 0.1}
        path.write_text(yaml.safe_dump(config))
