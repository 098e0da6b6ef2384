"""The software that ran: the commit of the workflow, and the versions of the libraries that matter to a result."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path

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
    "skimage": "https://scikit-image.org/",
    "itk": "https://itk.org/",
    "cupy": "https://cupy.dev/",
}
"""By the name that Python imports, the home page that identifies it."""


def git_commit(repository: Path) -> str:
    """Name the commit of a checkout and whether tracked files differ from it; `unknown` outside git."""
    if not (repository / ".git").exists():  # git itself would look further up, into another project
        return "unknown"
    command = ["git", "--no-optional-locks", "-C", str(repository)]
    try:
        commit, changes = (
            subprocess.run([*command, *ask], capture_output=True, text=True, timeout=60, check=True).stdout
            for ask in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return f"{commit.strip()} with uncommitted changes" if changes else commit.strip()


def versions() -> dict[str, str]:
    """Return the version of Python and of each installed library of `LIBRARIES`, by its import name."""
    installed = metadata.packages_distributions()  # CuPy's distribution is named after the CUDA version
    found = {name: metadata.version(installed[name][0]) for name in LIBRARIES if name in installed}
    return {"python": platform.python_version(), **found}
