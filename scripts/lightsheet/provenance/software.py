"""The software that ran: the workflow's commit and code, and the versions of the libraries that matter to a result."""

import hashlib
import platform
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from lightsheet.store import Record
from lightsheet.system import digest_sha256

LIBRARIES = {
    "snakemake": "https://snakemake.github.io/",
    "dask": "https://www.dask.org/",
    "distributed": "https://distributed.dask.org/",
    "zarr": "https://zarr.dev/",
    "numcodecs": "https://numcodecs.readthedocs.io/",
    "tifffile": "https://github.com/cgohlke/tifffile",
    "imagecodecs": "https://github.com/cgohlke/imagecodecs",
    "blake3": "https://github.com/oconnor663/blake3-py",
    "numpy": "https://numpy.org/",
    "scipy": "https://scipy.org/",
    "numba": "https://numba.pydata.org/",
    "skimage": "https://scikit-image.org/",
    "itk": "https://itk.org/",
    "cupy": "https://cupy.dev/",
}
"""By the name that Python imports, the home page that identifies it."""

CODE = "SHA-256 of what `sha256sum` says of Snakefile, config/schema.yaml and every .py and .jinja file in scripts/"

UNKNOWN = "unknown"


def digest_code(repository: Path) -> str:
    """Return the digest that `CODE` explains: two checkouts that share it compute alike, with or without git."""
    paths = [path for path in (repository / "scripts").rglob("*") if path.suffix in (".py", ".jinja")]
    names = [path.relative_to(repository).as_posix() for path in paths]
    lines = (
        f"{digest_sha256(repository / name)}  {name}\n" for name in sorted([*names, "Snakefile", "config/schema.yaml"])
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def stamp_software(repository: Path) -> dict[str, str]:
    """Return what `digest_code` returns as `code`, and what `list_versions` returns."""
    return {"code": digest_code(repository), **list_versions()}


def list_differences(stamp: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Say what differs between the stamp of a run here and another's, a sentence for each."""
    versions = {name: (stamp.get(name, "not installed"), other.get(name, "not installed")) for name in {*stamp, *other}}
    return [
        "the workflow's own code differs" if name == "code" else f"{name}: {version} here, {other_version} there"
        for name, (version, other_version) in sorted(versions.items())
        if version != other_version
    ]


def describe_mixture(records: Iterable[Record]) -> str:
    """Say which engines, in which versions, computed the results of a movie; empty if one computed them all."""
    engines = Counter(record["engine"] for record in records if "engine" in record)
    if len(engines) < 2:
        return ""
    counts = ", ".join(f"{count} by {engine}" for engine, count in engines.most_common())
    return f"The volumes were computed by several engines or versions, so they may differ in rounding: {counts}."


def read_git_commit(repository: Path) -> str:
    """Name the commit of a checkout and whether tracked files differ from it; `UNKNOWN` outside git."""
    if not (repository / ".git").exists():  # git itself would look further up, into another project
        return UNKNOWN
    # Git refuses what is another user's, such as a shared installation; its code runs here anyway.
    command = ["git", "--no-optional-locks", "-c", "safe.directory=*", "-C", str(repository)]
    try:
        commit, changes = (
            subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60, check=True).stdout
            for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.SubprocessError):
        return UNKNOWN
    return f"{commit.strip()} with uncommitted changes" if changes else commit.strip()


def list_versions() -> dict[str, str]:
    """Return the version of Python and of each installed library of `LIBRARIES`, by its import name."""
    versions = {name: version for name in LIBRARIES if (version := _find_version(name))}
    return {"python": platform.python_version(), **versions}


def _find_version(name: str) -> str | None:
    """Return the version of what Python imports by a name; None if it is not installed."""
    try:
        return metadata.version({"skimage": "scikit-image"}.get(name, name))
    except metadata.PackageNotFoundError:
        if not find_spec(name):
            return None
    # CuPy's distribution is named after the CUDA version; to read what all of them hold takes 0.3 s.
    return metadata.version(metadata.packages_distributions()[name][0])


@cache
def list_requirements() -> str:
    """Name every installed distribution but the workflow's and its version, as `pip install -r` reads it."""
    lines: dict[str, str] = {}
    for distribution in metadata.distributions():  # of two with one name, the first is the one that is imported
        header = distribution.metadata  # parsed anew whenever it is asked for
        name = header.get("Name")  # which a half removed one lacks
        if name and name != "lightsheet-decon":  # which comes from the checkout; no package index has it
            lines.setdefault(name.casefold(), f"{name}=={header['Version']}")
    return "".join(f"{line}\n" for line in sorted(lines.values(), key=str.casefold))
