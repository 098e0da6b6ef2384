import os
import subprocess
from pathlib import Path

import pytest

from lightsheet import software


def git(folder: Path, *arguments: str) -> str:
    name = ["-c", "user.name=tester", "-c", "user.email=tester@example.org"]
    command = ["git", "-C", str(folder), *name, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_git_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert software.git_commit(tmp_path) == "unknown"
    git(tmp_path, "init", "--quiet")
    assert software.git_commit(tmp_path) == "unknown"  # nothing committed yet
    (tmp_path / "Snakefile").write_text("one")
    git(tmp_path, "add", "Snakefile")
    git(tmp_path, "commit", "--quiet", "--message", "one")
    commit = git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "my.yaml").write_text("a user's own file is no change of the workflow")
    assert software.git_commit(tmp_path) == commit
    (tmp_path / "Snakefile").write_text("two")
    assert software.git_commit(tmp_path) == f"{commit} with uncommitted changes"
    (tmp_path / "unpacked").mkdir()
    assert software.git_commit(tmp_path / "unpacked") == "unknown"  # not the project around it
    monkeypatch.setitem(os.environ, "PATH", str(tmp_path))
    assert software.git_commit(tmp_path) == "unknown"  # no git
