"""The environments in envs/ are complete, agree with one another, and name no package index."""

import functools
import os
import platform
import re
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.families import parametrize

ROOT = Path(__file__).parents[1]
ENVS = ROOT / "envs"
GPU_LOCKS = ("requirements-cuda12", "requirements-cuda13")
LOCKS = ("requirements", "requirements-build", "requirements-dev", *GPU_LOCKS)
PYTHONS = ("3.11", "3.12", "3.13")
CONDA_NAMES = {"matplotlib": "matplotlib-base"}
SNAKEMAKES = ("snakemake", "snakemake-executor-plugin-slurm", "pygments")
"""What only Snakemake needs, which runs outside of the conda environment."""

NEEDS_OF_GPU_WHEELS = {
    "cuda-pathfinder==1.9.1": [],
    "cupy-cuda12x==14.2.0": ["numpy<2.6,>=2.0", "cuda-pathfinder==1.*,>=1.3.4"],
    "cupy-cuda13x==14.2.0": ["numpy<2.6,>=2.0", "cuda-pathfinder==1.*,>=1.3.4"],
    "nvidia-cuda-nvrtc-cu12==12.9.86": [],
    "nvidia-cuda-nvrtc==13.5.37": [],
    "nvidia-cuda-runtime-cu12==12.9.79": [],
    "nvidia-cuda-runtime==13.5.37": [],
    "nvidia-cufft-cu12==11.4.1.4": ["nvidia-nvjitlink-cu12"],
    "nvidia-cufft==12.5.0.14": ["nvidia-nvjitlink"],
    "nvidia-nvjitlink-cu12==12.9.86": [],
    "nvidia-nvjitlink==13.5.37": [],
}
"""What `Requires-Dist` says in wheels that tests do without: half a gigabyte."""


def list_requirements(name: str = "requirements") -> list[Requirement]:
    """Return what an .in file asks for, and what the .in file that it names does."""
    requirements = []
    for line in (ENVS / f"{name}.in").read_text().splitlines():
        if line.startswith("-r "):
            requirements += list_requirements(line.removeprefix("-r ").removesuffix(".in"))
        elif not line.startswith("#"):
            requirements.append(Requirement(line))
    return requirements


def locked(name: str) -> str:
    return (ENVS / f"{name}.txt").read_text()


def pins(lock: str, python: str) -> dict[str, Requirement]:
    """Return what a lock pins on a Python, by name."""
    lines = [Requirement(line) for line in re.findall(r"^(\w[^=\n]*==.+?) \\$", lock, re.MULTILINE)]
    return {line.name: line for line in lines if line.marker is None or line.marker.evaluate(environment(python))}


def version(pin: Requirement) -> str:
    (specifier,) = pin.specifier
    return specifier.version


def environment(python: str) -> dict[str, str]:
    values = {"python_version": python, "python_full_version": f"{python}.7", "implementation_version": f"{python}.7"}
    return {**default_environment(), **values}


@functools.cache
def needs(name: str, version: str) -> list[Requirement] | None:
    """Return what a release needs; None if it is neither the one that is installed here nor among the GPU's wheels."""
    if f"{name}=={version}" in NEEDS_OF_GPU_WHEELS:
        return list(map(Requirement, NEEDS_OF_GPU_WHEELS[f"{name}=={version}"]))
    try:
        if metadata.version(name) != version:
            return None
    except metadata.PackageNotFoundError:
        return None
    return [Requirement(text) for text in metadata.requires(name) or []]


def unmet(lock: str, python: str, needed: list[Requirement]) -> list[str]:
    """Say which requirements, of `needed` and of what is pinned and installed here, a lock does not meet on a Python.

    A pin has to carry the extras asked of it: they decide what else is needed, and old pips (23.2) that resolve
    look for `a[b]` on its own, and call it unpinned once there is a newer `a`.
    """
    pinned = pins(lock, python)
    asking = [("we", need, {""}) for need in needed]
    for name, pin in pinned.items():
        extras = {"", *map(canonicalize_name, pin.extras)}
        asking += [(name, need, extras) for need in needs(name, version(pin)) or []]
    faults = []
    for name, requirement, extras in asking:
        where = environment(python)
        if requirement.marker and not any(requirement.marker.evaluate({**where, "extra": e}) for e in extras):
            continue
        pin = pinned.get(canonicalize_name(requirement.name))
        if pin is None or not requirement.specifier.contains(version(pin), prereleases=True):
            faults.append(f"{name}: {requirement}, not {pin}")
        elif difference := {*map(canonicalize_name, requirement.extras)} - {*map(canonicalize_name, pin.extras)}:
            faults.append(f"{name}: {requirement}, and {pin} lacks the extra {', '.join(sorted(difference))}")
    return faults


@parametrize("python", PYTHONS, quick=2)
@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_of_what_is_locked_is_met_by_the_lock(name: str, python: str) -> None:
    assert unmet(locked(name), python, list_requirements(name)) == []


def test_the_installed_packages_are_those_that_are_locked() -> None:
    """So that the test above knows what each of them needs, on this Python."""
    python = ".".join(platform.python_version_tuple()[:2])
    for lock in ("requirements-dev", *GPU_LOCKS):
        versions = pins(locked(lock), python)
        assert [str(pin) for name, pin in versions.items() if needs(name, version(pin)) is None] == []


@pytest.mark.parametrize(
    ("pattern", "replacement", "words"),
    [
        (r"\[.+\]==", "==", r"pytest-cov: coverage\[toml\].*, and coverage==\S+ lacks the extra toml"),
        (r"^tornado==.*", "", r"distributed: tornado.*, not None"),
        (r"^click==\S+", "click==1.0", r"dask: click.*, not click==1.0"),
    ],
)
def test_a_lock_that_lacks_something_is_found_out(pattern: str, replacement: str, words: str) -> None:
    lock = re.sub(pattern, replacement, locked("requirements-dev"), flags=re.MULTILINE)
    assert any(re.fullmatch(words, fault) for fault in unmet(lock, "3.12", []))


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_pinned_and_hashed(name: str) -> None:
    blocks = re.split(r"\n(?=\S)", locked(name).strip())
    for block in blocks:
        assert re.match(r"[a-z0-9._-]+(\[[a-z0-9,._ -]+\])?==\S+", block), block
        assert "--hash=sha256:" in block, block
    assert "://" not in locked(name)


@pytest.mark.parametrize("python", PYTHONS)
def test_tests_run_on_the_versions_that_users_get(python: str) -> None:
    developers, *others = (
        {name: version(pin) for name, pin in pins(locked(lock), python).items()}
        for lock in ("requirements-dev", "requirements", *GPU_LOCKS)
    )
    for users in others:
        assert {name: version for name, version in users.items() if version != developers.get(name, version)} == {}
    assert others[0].keys() <= developers.keys()


@pytest.mark.parametrize("lock", GPU_LOCKS)
def test_cupy_comes_with_the_libraries_that_engine_gpu_calls_and_no_others(lock: str) -> None:
    """On a node with a driver alone: NVRTC compiles kernels against the headers of `cuda-runtime`, cuFFT transforms."""
    names = {re.sub("-cu12$", "", name) for name in pins(locked(lock), "3.12") if name.startswith("nvidia-")}
    assert names == {"nvidia-cuda-nvrtc", "nvidia-cuda-runtime", "nvidia-cufft", "nvidia-nvjitlink"}


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Say what make would do, in an environment that is complete but for CuPy."""
    whole = [f"--old-file=.cache/whole/bin/{name}" for name in ("python", ".installed", "lightsheet")]
    command = ["make", "--dry-run", "--no-print-directory", "VENV=.cache/whole", *whole, *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "CUDA": "/usr/local/cuda"}
    )


@pytest.mark.parametrize(("arguments", "cuda"), [((), "12"), (("CUDA=12",), "12"), (("CUDA=13",), "13")])
def test_make_installs_cupy_for_one_cuda_and_removes_the_other_before(arguments: tuple[str, ...], cuda: str) -> None:
    removal, installation = re.findall(r"pip .*?((?:un)?install .*)", make("install-gpu", *arguments).stdout)
    assert removal == "uninstall --yes -r envs/requirements-cuda12.in -r envs/requirements-cuda13.in"
    assert installation.endswith(f"-r envs/requirements-cuda{cuda}.txt")
    assert "--require-hashes --no-deps" in installation


def test_make_says_which_cudas_there_are() -> None:
    assert "CuPy is locked for CUDA 12 and for 13" in make("install-gpu", "CUDA=11").stderr


def conda(name: str = "lightsheet") -> dict[str, str]:
    *packages, pip = yaml.safe_load((ENVS / f"{name}.yaml").read_text())["dependencies"]
    split = [re.split(r" ?=+", package, maxsplit=1) for package in [*packages, *pip["pip"]] if "=" in package]
    return dict(map(tuple, split))


def test_the_conda_environment_has_the_pinned_versions_and_nothing_else() -> None:
    versions = conda()
    users = pins(locked("requirements"), versions.pop("python"))
    names = {requirement.name for requirement in list_requirements()} - set(SNAKEMAKES)
    assert versions == {CONDA_NAMES.get(name, name): version(users[name]) for name in names}


def test_the_conda_environment_for_gpus_has_cupy_on_top() -> None:
    users = pins(locked("requirements-cuda12"), "3.12")
    added = {"cupy": version(users["cupy-cuda12x"]), "cuda-version": "12"}
    assert conda("lightsheet-gpu") == conda() | added


def test_the_package_is_built_by_what_is_locked_and_has_one_version() -> None:
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())
    build = [Requirement(requirement) for requirement in package["build-system"]["requires"]]
    assert unmet(locked("requirements-build"), "3.12", build) == []
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    changes = re.findall(r"^## \[(\d.*)\] - (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert changes[0] == (citation["version"], citation["date-released"].isoformat())
    assert package["project"]["version"] == citation["version"]


@pytest.mark.parametrize("recipe", ["Dockerfile", "lightsheet.def"])
def test_containers_are_made_as_any_environment_is(recipe: str) -> None:
    """From what the README asks of a machine, by the target that is tested on a fresh one; nothing else."""
    text = (ENVS / recipe).read_text()
    (installed,) = re.findall(r"apt-get install --yes --no-install-recommends (.*)", text)
    assert set(installed.split()) == {"ca-certificates", "git", "make", "python3", "python3-venv"}
    assert re.findall(r"\bmake (.*)", text.replace("# ", "#").split("apt-get", 1)[1])[-1].split() == [
        *("--directory", "/opt/lightsheet-decon", "install"),
    ]
    assert "debian:bookworm" in text, "whose Python is 3.11"
    assert "PATH=/opt/lightsheet-decon/.venv/bin:$PATH" in text
    assert not re.findall(r"\b(pip|conda|curl|wget)\b", text)
