"""The rooms of the library: their faces hold what they list, and what every job of a cluster imports is light."""

import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lightsheet

ROOT = Path(__file__).parents[1]
ROOMS = sorted(module.name for module in pkgutil.iter_modules(lightsheet.__path__) if module.ispkg)


@pytest.mark.parametrize("room", ROOMS)
def test_a_face_holds_what_it_lists(room: str) -> None:
    face = importlib.import_module(f"lightsheet.{room}")
    assert face.__doc__
    assert face.__all__
    for name in face.__all__:
        assert getattr(face, name) is not None


@pytest.mark.slow
def test_the_snakefile_imports_nothing_heavy() -> None:
    """Every job of a cluster parses the Snakefile again."""
    snakefile = (ROOT / "Snakefile").read_text()
    imports = re.findall(r"^from lightsheet\.\w+ import (?:\([^)]*\)|.*)$", snakefile, re.MULTILINE)
    assert len(imports) > 3
    heavy = {
        "dask",
        "dask_jobqueue",
        "distributed",
        "itk",
        "jinja2",
        "llvmlite",
        "matplotlib",
        "numba",
        "rocrate",
        "scipy",
        "skimage",
    }
    code = "\n".join(["import sys", *imports, f"print(*({heavy} & sys.modules.keys()))"])
    environment = {"PYTHONPATH": str(ROOT / "scripts")}
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert ended.stdout.split() == []


def test_an_import_leaves_the_loggers_of_others_alone() -> None:
    """A notebook that reads damaged TIFFs by tifffile hears of them, also after it imported the library."""
    code = """
import importlib, logging, pkgutil, lightsheet
for module in pkgutil.walk_packages(lightsheet.__path__, "lightsheet."):
    if not module.name.endswith(("__main__", "gpu_kernels")):
        importlib.import_module(module.name)
for name in (None, "tifffile", "zarr", "numcodecs", "imagecodecs"):
    foreign = logging.getLogger(name)
    print(name, foreign.level == (logging.NOTSET if name else logging.WARNING), foreign.handlers, foreign.filters)
"""
    environment = {"PYTHONPATH": str(ROOT / "scripts"), "HOME": "/tmp"}
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    lines = ended.stdout.splitlines()
    assert len(lines) == 5
    assert [line for line in lines if not line.endswith("True [] []")] == []
