"""Plans of imagined runs, and pilots by hand whose numbers are known."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lightsheet import cli
from lightsheet.planning import place as place_module, workload
from lightsheet.planning.imaginary_run import imagine_run
from lightsheet.planning.pilot_rates import choose_rates
from lightsheet.planning.place import Place
from lightsheet.planning.rates import Rates
from lightsheet.planning.schedule import Schedule
from lightsheet.planning.workload import Work

SETTINGS = {"engine": "cpu", "boundary": "extended", "acceleration": "none", "background": 100}


def reference(tmp_path: Path, *arguments: str) -> tuple[Work, Place]:
    options = vars(cli.build_parser().parse_args(["plan", *arguments]))
    run = imagine_run(tmp_path, options)
    return workload.find_work(run), place_module.describe_place(run, place_module.choose_place(options))


def free_bytes(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every disk have so many bytes free."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=number))


def foresee(tmp_path: Path, *arguments: str, pilot: dict[str, Any] | None = None) -> Schedule:
    work, place = reference(tmp_path, *arguments)
    return Schedule(work, place, choose_rates(work, place, pilot))


def pilot(shape: tuple[int, ...], seconds: Any, **settings: Any) -> dict[str, Any]:
    """Make a pilot of one channel whose deconvolutions took `seconds(iterations)`."""
    runs = [
        {
            "iterations": n,
            "seconds": {"read": 1.0, "deconvolve": seconds(n), "write": 2.0},
            "written_bytes": 1000 * n,
            "gpu_memory_bytes": None,
        }
        for n in (1, 10, 40)
    ]
    method = {"settings": {**SETTINGS, **settings}, "suggested": 13, "runs": runs}
    ingest = {"seconds": 4.0, "written_bytes": 50_000, "check_seconds": 0.5}
    return {
        "cores": 2,
        "host": "here",
        "slurm_job": None,
        "shape": list(shape),
        "psf_shape": [5, 5, 5],
        "start_seconds": {"job": 2.0, "workers": 3.0},
        "channels": {"channel0": {"ingest": ingest, "methods": [method]}},
    }


ONE_WORKER = ("--cores", "2", "--workers", "1", "--engine", "cpu")

SMALL = ("--channels", "1", "--timepoints", "2", *ONE_WORKER, "--shape", "28", "60", "76")


def simple(place: Place, **changes: Any) -> tuple[Place, Rates]:
    """Return a place, and rates with which a volume of `SMALL` takes 1 s to ingest and 10 s to deconvolve."""
    voxels, stored = 28 * 60 * 76, {"raw": 1.0, "result": 1.0}
    compute = 5 / (32 * 64 * 80)
    rates = Rates("by hand", 2, (5, 5, 5), 1, 1 / voxels, 5 / voxels, compute, 0.0, stored, 1.0, 3.0)
    return place._replace(**changes), rates
