"""`benchmarks/accept_gpu.py`, with NumPy in CuPy's place: what it does on the day when there is a GPU."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, str(ROOT / "benchmarks" / "accept_gpu.py")]

BARE = """
from importlib.machinery import PathFinder
find = PathFinder.find_spec
@classmethod
def find_spec(cls, name, *rest):
    return None if name.split(".")[0] in {absent} else find(name, *rest)
PathFinder.find_spec = find_spec
"""
"""What Python runs at its start."""


@pytest.fixture(autouse=True)
def parts_can_be_imported(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def list_absent():
    """List the modules installed here of packages that the benchmark does not name, as an image may lack them.

    What it takes from the image brings the packages that it requires; what is carried there comes alone.
    """
    text = (ROOT / "benchmarks" / "accept_gpu.py").read_text()
    of_image = re.search(r"with CuPy, (.*) and (\S+), which a usual image", text, re.DOTALL)
    carried = re.search(r"-d .cache/carry (.*?)\n\n", text, re.DOTALL)
    assert of_image
    assert carried
    carried = set(carried[1].split())
    seeds = {*of_image[1].replace("\n", " ").split(", "), of_image[2]}
    seeds |= {point.dist.name for point in metadata.entry_points(group="pytest11") if point.dist}  # loaded by pytest
    present = close_over({normalise(name) for name in seeds} - carried) | carried | {"lightsheet-decon"}
    return {m for m, names in metadata.packages_distributions().items() if not present & set(map(normalise, names))}


def close_over(names):
    """Return packages with those that they require."""
    known, new = set(), set(names)
    while new:
        known |= new
        requirements = [r for name in new for r in find_requirements(name) if "extra ==" not in r]
        new = {normalise(re.match(r"[\w.-]+", requirement)[0]) for requirement in requirements} - known
    return known


def find_requirements(name):
    try:
        return metadata.requires(name) or ()
    except metadata.PackageNotFoundError:
        return ()


def normalise(name):
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """What a whole run leaves, on the stand-in."""
    if not shutil.which("c++"):
        pytest.skip("the stand-in compiles kernels as C++")
    folder, bare = tmp_path_factory.mktemp("out"), tmp_path_factory.mktemp("bare")
    (bare / "sitecustomize.py").write_text(BARE.format(absent=list_absent()))
    environment = os.environ | {"PYTHONPATH": str(bare)}
    done = subprocess.run([*COMMAND, str(folder), "--stand-in"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def read(folder):
    return {path.stem: json.loads(path.read_text()) for path in folder.iterdir()}


@pytest.mark.slow
def test_all_parts_end_and_all_checks_hold(out):
    from gpu_acceptance.supervisor import PARTS

    sheets = read(out)
    assert sheets.keys() == PARTS.keys(), "no other files: some machines give no more than eight back"
    assert {name: sheet["ended"] for name, sheet in sheets.items()} == dict.fromkeys(PARTS, "whole")
    checks = {name: len(sheet["checks"]) for name, sheet in sheets.items() if sheet["checks"]}
    assert checks == {"machine": 1, "probes": 7, "tests": 1, "agreement": 13, "iterations": 6, "time_line": 1}


@pytest.mark.slow
def test_only_what_the_stand_in_lacks_is_not_measured(out):
    failures = {
        (part, name): value["failed"].split(":")[0]
        for part, sheet in read(out).items()
        for name, value in sheet["values"].items()
        if isinstance(value, dict) and "failed" in value and part != "tests"
    }
    assert set(failures.values()) <= {"ModuleNotFoundError", "FileNotFoundError"}
    assert {part for part, _ in failures} == {"machine", "kernels", "peers"}  # nvidia-smi, PyTorch, cupyx.scipy
    assert ("machine", "GB/s, between host and device, pinned") not in failures
    rows = read(out)["time_line"]["values"]
    assert all(row["s a volume"] > 0 for name, row in rows.items() if name.startswith("cores"))


@pytest.mark.slow
def test_nothing_of_the_stand_in_is_called_measured(out, tmp_path):
    from gpu_acceptance import sheet, summary

    summary.write_report(sheet.read_sheets(out), tmp_path / "gpu.md")
    text = (tmp_path / "gpu.md").read_text()
    assert "Nothing here was measured on a GPU yet." in text
    assert "## Measured" not in text
    assert "## Model, not measured" in text
    measured = sheet.read_sheets(out)
    for part in measured.values():
        part["stand_in"] = False
    text = "\n".join(summary.describe(measured))
    for words in (
        "| none, extended |",
        "| yes | gpu agrees with cpu: biggs, replicate",
        "core-s a volume",
        "GB/s, copy",
    ):
        assert words in text.split("## Model")[0]


def test_a_part_that_hangs_or_dies_stops_no_other(tmp_path, monkeypatch, capsys):
    from gpu_acceptance import supervisor

    program = tmp_path / "program"
    program.write_text(
        f"#!/bin/sh\ncase $3 in machine) exec sleep 60;; esac\nexec {sys.executable} -c 'print(1); exit(3)'\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(supervisor.sys, "executable", str(program))
    monkeypatch.setattr(supervisor, "PARTS", {"machine": 0.2, "peers": 60, "tests": 60})
    supervisor.run_parts(tmp_path / "out", ["machine", "peers"], stand_in=True, total_seconds=100)
    supervisor.run_parts(tmp_path / "out", ["tests"], stand_in=True, total_seconds=0)
    sheets = read(tmp_path / "out")
    ends = {name: sheet["ended"] for name, sheet in sheets.items()}
    assert ends == {
        "machine": "stopped after 0 s",
        "peers": "died with exit status 3",
        "tests": "not begun: no time was left",
    }
    assert sheets["peers"]["output"] == ["1"]
    assert "peers: died with exit status 3" in capsys.readouterr().out


def test_what_ran_on_the_device_is_read_from_a_trace(tmp_path):
    from gpu_acceptance.kernel_trace import COPIES, count_busy_seconds, read_trace, sum_by_name

    events = [
        ("kernel", "fft", 0, 10),
        ("kernel", "fft", 5, 10),
        ("kernel", "correct", 40, 4),
        ("gpu_memcpy", "HtoD", 0, 30),
    ]
    rows = [{"ph": "X", "cat": cat, "name": name, "ts": ts, "dur": dur} for cat, name, ts, dur in events]
    path = tmp_path / "trace.json"
    path.write_text(
        json.dumps({"traceEvents": [*rows, {"ph": "M", "name": "process_name"}, {"cat": "cpu_op", "dur": 9}]})
    )
    intervals = read_trace(path)
    assert count_busy_seconds(intervals) == pytest.approx(19e-6)  # the two FFTs overlap
    assert count_busy_seconds(intervals, COPIES) == pytest.approx(30e-6)
    assert sum_by_name(intervals) == {"HtoD": (1, 30e-6), "fft": (2, 20e-6), "correct": (1, 4e-6)}


def test_kernels_stand_beside_the_floor_of_their_step():
    from gpu_acceptance import tables

    kernels = {
        "void regular_fft<64>(float2*)": (8, 5.0),
        "multiply": (1, 1.0),
        "multiply_by_conjugate": (1, 1.0),
        "new": (1, 0.1),
    }
    rows = [{"kernel": name, "calls": calls, "ms": ms} for name, (calls, ms) in kernels.items()]
    sheets = {"machine": {"values": {tables.COPY: 4000.0}}, "kernels": {"values": {"none, extended": rows}}}
    text = "\n".join(tables.list_kernels(sheets))
    cyclic = 224 * 1080 * 840  # of the model PSF, without its dark planes
    spectra = 6 * 4 * cyclic / 1e9
    assert f"| multiply, multiply_by_conjugate | 2 | 2.000 | {spectra:.1f} | {2e-3 / (spectra / 4000):.2f} |" in text
    ffts = [passes * 8 * 4 * cyclic / 1e9 for passes in (1, 3)]
    floors = " to ".join(f"{5e-3 / (amount / 4000):.2f}" for amount in ffts)
    assert f"| four FFTs | 8 | 5.000 | {ffts[0]:.1f} to {ffts[1]:.1f} | {floors} |" in text
    assert "| `new` | 1 | 0.100 |  |  |" in text


def test_the_model_counts_what_an_iteration_moves(monkeypatch):
    from gpu_acceptance import traffic

    monkeypatch.setattr(traffic, "find_cyclic_shape", lambda *_: (315, 1120, 840))
    image, cyclic = 201 * 1024 * 768, 315 * 1120 * 840
    for passes, arrays in ((1, 19), (3, 35)):  # 4 FFTs read and write; then 6, 1 and 4
        assert traffic.count_bytes((201, 1024, 768), None, "none", "extended", passes) == 4 * (
            arrays * cyclic + 2 * image
        )
