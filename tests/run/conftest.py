"""What several test files of a run share."""

import shutil
from pathlib import Path

import pytest

from lightsheet.run.publication import read_identity
from lightsheet.run.run import Run
from lightsheet.system import files
from tests.support import tiny_run


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run in a folder that tests copy, so that it has relative paths."""
    folder = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run = tiny_run.make(Path())
        files.write_text(run.results.report, f'<meta name="publication" content="{read_identity(run.results.store)}">')
    return folder


@pytest.fixture
def run(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tiny_run.prepare(Path())
