"""What Snakemake would hand to a shell as more than a name is refused before anything runs or is submitted."""

import dataclasses
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lightsheet.run.run import Run
from lightsheet.system.errors import InputError
from lightsheet.workflow.shell_names import refuse_shell_names
from tests.support import tiny_run


def workflow(slurm: bool, snakefile: str = "/home/me/Snakefile", config: str = "my.yaml") -> Any:
    return SimpleNamespace(nodes=100 if slurm else None, main_snakefile=snakefile, overwrite_configfiles=[Path(config)])


@pytest.fixture
def run(tmp_path: Path) -> Run:
    tiny_run.simulate(tmp_path / "my data")
    return tiny_run.prepare(tmp_path)


def move(run: Run, folder: str) -> Run:
    return dataclasses.replace(run, config={**run.config, "output": {**run.config["output"], "folder": folder}})


@pytest.mark.parametrize("folder", ["R&D", "O'Neill", "(old)", "two blanks ", "µm 細胞", "#5;{a,b}*?[x]!<>|~"])
def test_names_between_quotes_are_names(folder: str, run: Run) -> None:
    refuse_shell_names(move(run, folder), workflow(slurm=True))


@pytest.mark.parametrize(
    "folder", ["a$(id)b", "a`id`b", 'a"b', "a\\b", "a\tb", "a\nb", "'a'$(id)", "a\N{NO-BREAK SPACE}b"]
)
def test_what_quotes_do_not_help_is_refused_for_jobs_on_slurm_alone(folder: str, run: Run) -> None:
    refuse_shell_names(move(run, folder), workflow(slurm=False))
    with pytest.raises(InputError, match="no job on SLURM can have a path with"):
        refuse_shell_names(move(run, folder), workflow(slurm=True))


def test_a_folder_of_logs_with_a_percent_sign_is_refused_for_jobs_on_slurm(run: Run) -> None:
    with pytest.raises(InputError, match="cannot have their logs in a folder with % in its name"):
        refuse_shell_names(move(run, "100%j"), workflow(slurm=True))


@pytest.mark.parametrize("names", [{"snakefile": "/home/$USER/Snakefile"}, {"config": "`id`.yaml"}])
def test_the_paths_of_the_workflow_count_too(names: dict[str, str], run: Run) -> None:
    with pytest.raises(InputError, match="no job on SLURM"):
        refuse_shell_names(run, workflow(slurm=True, **names))


def test_the_names_of_a_strangers_files_count_too(tmp_path: Path) -> None:
    tiny_run.simulate(tmp_path / "a$(touch x)b" / "my data")
    run = tiny_run.prepare(tmp_path / "a$(touch x)b")
    with pytest.raises(InputError, match=r"a\$\(touch x\)b"):
        refuse_shell_names(move(run, str(tmp_path / "results")), workflow(slurm=True))


@pytest.mark.parametrize("folder", ["R&D", "my projects", "a$(id)b", "O'Neill"])
@pytest.mark.parametrize("slurm", [False, True])
def test_a_python_that_a_shell_would_not_find_is_refused(
    folder: str, slurm: bool, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", f"/home/{folder}/.venv/bin/python")
    with pytest.raises(InputError, match="hands the path of Python to a shell as it stands"):
        refuse_shell_names(run, workflow(slurm))


@pytest.mark.parametrize("folder", ["müller", "Пётр", "細胞"])
@pytest.mark.parametrize("slurm", [False, True])
def test_letters_of_all_languages_are_letters_to_a_shell(
    folder: str, slurm: bool, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", f"/home/{folder}/.venv/bin/python")
    refuse_shell_names(run, workflow(slurm))
