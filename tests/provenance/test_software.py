import os
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy
import pytest

from lightsheet.provenance import software


def git(folder: Path, *arguments: str) -> str:
    name = ["-c", "user.name=tester", "-c", "user.email=tester@example.org"]
    command = ["git", "-C", str(folder), *name, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_code_digest_is_that_of_sha256sum(tmp_path: Path) -> None:
    for name in ("Snakefile", "scripts/a.py", "scripts/library/page.jinja", "config/schema.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    before = software.digest_code(tmp_path)
    command = "LC_ALL=C sha256sum Snakefile config/schema.yaml scripts/a.py scripts/library/page.jinja | sha256sum"
    output = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert output.split()[0] == before
    (tmp_path / "scripts" / "__pycache__").mkdir()
    (tmp_path / "scripts" / "__pycache__" / "a.pyc").write_text("made by Python")
    (tmp_path / "config" / "my.yaml").write_text("a user's own")
    assert software.digest_code(tmp_path) == before
    (tmp_path / "scripts" / "a.py").write_text("other code")
    assert software.digest_code(tmp_path) != before


def test_differences_name_code_and_versions() -> None:
    stamp, other = (
        {"code": "1", "numpy": "2.4", "scipy": "1"},
        {"code": "2", "numpy": "2.5", "scipy": "1", "cupy": "14"},
    )
    assert software.list_differences(stamp, other) == [
        "the workflow's own code differs",
        "cupy: not installed here, 14 there",
        "numpy: 2.4 here, 2.5 there",
    ]
    assert software.list_differences(stamp, stamp) == []


def test_requirements_are_what_pip_reads() -> None:
    lines = software.list_requirements().splitlines()
    assert f"numpy=={numpy.__version__}" in lines
    assert lines == sorted(set(lines), key=str.casefold)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[^ ]+", line) for line in lines)


def test_requirements_name_what_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    records = [
        {"Name": "Pillow", "Version": "12"},
        {},
        {"Name": "pillow", "Version": "11"},
        {"Name": "a", "Version": "1"},
        {"Name": "lightsheet-decon", "Version": "1"},
    ]
    distributions = [SimpleNamespace(metadata=record) for record in records]
    monkeypatch.setattr(software.metadata, "distributions", lambda: distributions)
    assert software.list_requirements.__wrapped__() == "a==1\nPillow==12\n"


def test_the_commit_says_whether_tracked_files_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert software.read_git_commit(tmp_path) == "unknown"
    git(tmp_path, "init", "--quiet")
    assert software.read_git_commit(tmp_path) == "unknown"  # nothing committed yet
    (tmp_path / "Snakefile").write_text("one")
    git(tmp_path, "add", "Snakefile")
    git(tmp_path, "commit", "--quiet", "--message", "one")
    commit = git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "my.yaml").write_text("a user's own file is no change of the workflow")
    assert software.read_git_commit(tmp_path) == commit
    (tmp_path / "Snakefile").write_text("two")
    assert software.read_git_commit(tmp_path) == f"{commit} with uncommitted changes"
    if os.geteuid() == 0:  # another user's checkout is known too
        os.chown(tmp_path, 12345, 12345)
        assert software.read_git_commit(tmp_path).startswith(commit)
    (tmp_path / "unpacked").mkdir()
    assert software.read_git_commit(tmp_path / "unpacked") == "unknown"  # not the project around it
    monkeypatch.setitem(os.environ, "PATH", str(tmp_path))
    assert software.read_git_commit(tmp_path) == "unknown"  # no git
