"""The environments in envs/ agree with one another and name no package index."""

import re
from pathlib import Path

import pytest
import yaml

ENVS = Path(__file__).parents[1] / "envs"
NAME = re.compile(r"^([A-Za-z0-9_.-]+)")
CONDA_NAMES = {"matplotlib": "matplotlib-base"}


def asked() -> list[str]:
    lines = (ENVS / "requirements.in").read_text().splitlines()
    return [match[1] for line in lines if (match := NAME.match(line))]


def pinned(name: str) -> str:
    """Return the version that requirements.txt pins on Python 3.12 and newer."""
    lines = re.findall(rf"^{name}==(\S+)(.*)$", (ENVS / "requirements.txt").read_text(), re.MULTILINE)
    (version,) = [version for version, marker in lines if "< '3.12'" not in marker]
    return version


def conda() -> dict[str, str]:
    *packages, pip = yaml.safe_load((ENVS / "lightsheet.yaml").read_text())["dependencies"]
    split = [re.split(r" ?=+", package, maxsplit=1) for package in [*packages, *pip["pip"]] if "=" in package]
    return dict(map(tuple, split))


@pytest.mark.parametrize("name", [name for name in asked() if not name.startswith("snakemake")])
def test_the_conda_environment_has_the_pinned_version(name: str) -> None:
    assert conda()[CONDA_NAMES.get(name, name)] == pinned(name)


def test_the_conda_environment_has_nothing_else() -> None:
    names = {CONDA_NAMES.get(name, name) for name in asked() if not name.startswith("snakemake")}
    assert set(conda()) - {"python"} == names


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", "requirements-gpu.txt"])
def test_every_requirement_is_pinned_and_hashed(name: str) -> None:
    blocks = re.split(r"\n(?=\S)", (ENVS / name).read_text().strip())
    assert len(blocks) > 1
    for block in blocks:
        assert re.match(r"[a-z0-9._-]+==\S+", block), block
        assert "--hash=sha256:" in block, block
    assert "://" not in (ENVS / name).read_text()


def test_tests_run_on_the_versions_that_users_get() -> None:
    developers = set(re.findall(r"^\S+==\S+.*$", (ENVS / "requirements-dev.txt").read_text(), re.MULTILINE))
    users = set(re.findall(r"^\S+==\S+.*$", (ENVS / "requirements.txt").read_text(), re.MULTILINE))
    assert users <= developers
