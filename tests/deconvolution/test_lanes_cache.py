"""Where compiled code is kept: processes that start at once, and homes that cannot hold it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"

MODULE = """
from lightsheet.deconvolution.lanes.plan import Integers

def double(numbers: Integers) -> None:
    numbers[0] *= 2
"""

PROGRAM = """
import sys
import numpy
from lightsheet.deconvolution.lanes.cache import find_folder
from lightsheet.deconvolution.lanes.native import load_function
numbers = numpy.array([21])
load_function("module", "double")(numbers)
print(numbers[0], int("numba" in sys.modules), find_folder())
"""


def start(home, **variables):
    module = home.parent / "module.py"
    if not module.exists():
        module.write_text(MODULE)
    environment = {**os.environ, "PYTHONPATH": f"{SCRIPTS}:{home.parent}", "XDG_CACHE_HOME": str(home), **variables}
    return subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, stdout=subprocess.PIPE, text=True)


def finish(process):
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0
    number, compiled, folder = output.split(maxsplit=2)
    assert number == "42"
    return int(compiled), folder.strip()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home in which two processes that started at once have kept their code."""
    home = tmp_path_factory.mktemp("cache") / "home"
    outcomes = [finish(process) for process in [start(home), start(home)]]
    assert sorted(compiled for compiled, _ in outcomes) == [0, 1]  # one compiled, the other waited
    return home


@pytest.mark.slow
def test_code_is_compiled_once(home):
    assert finish(start(home))[0] == 0


@pytest.mark.slow
def test_each_type_of_processor_has_a_folder_of_its_own(home):
    folder = finish(start(home))[1]
    assert Path(folder).parent == home / "lightsheet-decon"
    assert finish(start(home, NUMBA_OPT="2"))[1] != folder


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["cut", "empty", "bit"])
def test_damaged_code_is_compiled_again(home, tmp_path, damage):
    shutil.copytree(home, tmp_path / "home")
    for path in tmp_path.rglob("*.o"):  # of two types of processor, if another test was before this one
        content = path.read_bytes()
        flipped = content[:-50] + bytes([content[-50] ^ 1]) + content[-49:]
        path.write_bytes({"cut": content[:100], "empty": b"", "bit": flipped}[damage])
    assert finish(start(tmp_path / "home"))[0] == 1
    assert finish(start(tmp_path / "home"))[0] == 0


@pytest.mark.slow
def test_a_home_that_cannot_be_written_is_no_failure(tmp_path):
    (tmp_path / "file").touch()
    assert finish(start(tmp_path / "file"))[1] == "None"


@pytest.mark.slow
def test_a_folder_that_others_can_write_is_not_trusted(home, tmp_path):
    shutil.copytree(home, tmp_path / "home")
    for folder in (tmp_path / "home" / "lightsheet-decon").iterdir():
        folder.chmod(0o777)
    assert finish(start(tmp_path / "home"))[1] == "None"
