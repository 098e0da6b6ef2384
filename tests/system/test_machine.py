import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from lightsheet.system import machine
from lightsheet.system.errors import DiskError

GIB = 2**30
SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def control_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of control groups on a machine with 64 GiB free, outside of SLURM."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 64 * GIB}))
    monkeypatch.setattr(machine, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(machine, "PROCESS_CGROUP", tmp_path / "process_groups")
    for key in [key for key in os.environ if key.startswith("SLURM_")]:
        monkeypatch.delenv(key)
    return tmp_path


@pytest.mark.usefixtures("control_groups")
def test_the_free_memory_where_nothing_else_is_said() -> None:
    assert machine.find_memory_limit() == 64 * GIB


@pytest.mark.usefixtures("control_groups")
def test_what_slurm_gave_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "6144")
    assert machine.find_memory_limit() == 6 * GIB
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "0")  # --mem=0 asks for the whole node
    assert machine.find_memory_limit() == 64 * GIB
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "1024")
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "8")
    assert machine.find_memory_limit() == 8 * GIB


def write(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)


def test_the_least_of_the_control_groups_above(control_groups: Path) -> None:
    write(control_groups / "process_groups", "0::/job/step\n")
    write(control_groups / "cgroup" / "job" / "memory.max", f"{8 * GIB}\n")
    write(control_groups / "cgroup" / "job" / "step" / "memory.max", "max\n")
    write(control_groups / "cgroup" / "other" / "memory.max", "1\n")
    assert machine.find_memory_limit() == 8 * GIB


def test_control_groups_of_version_1(control_groups: Path) -> None:
    write(control_groups / "process_groups", "5:cpu:/elsewhere\n4:hugetlb,memory:/slurm/job_7\n")
    write(control_groups / "cgroup" / "memory" / "slurm" / "job_7" / "memory.limit_in_bytes", f"{3 * GIB}\n")
    assert machine.find_memory_limit() == 3 * GIB


def test_scratch_arrays_are_arrays_and_have_no_name(tmp_path: Path) -> None:
    array = machine.allocate_on_disk(tmp_path / "new")((3, 4, 5), np.uint16)
    array[...] = np.arange(60).reshape(3, 4, 5)
    assert array.dtype == np.uint16
    np.testing.assert_array_equal(array.reshape(-1), np.arange(60))
    assert list((tmp_path / "new").iterdir()) == []


def test_nothing_is_left_of_a_killed_process(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from lightsheet.system import allocate_on_disk
array = allocate_on_disk(Path(sys.argv[1]))((100, 100, 100), "f4")
array[...] = 1
os.kill(os.getpid(), signal.SIGKILL)
"""
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system cannot reserve room")
def test_a_full_disk_is_an_error_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match=r"needs a temporary file of \d+\.\d\d GB there \("):
        machine.allocate_on_disk(tmp_path)((10**6, 10**6, 10**3), np.float32)
    assert list(tmp_path.iterdir()) == []
