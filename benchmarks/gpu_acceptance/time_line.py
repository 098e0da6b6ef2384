"""Volumes from store to store, as a worker does them: how long the GPU computes, and what the cores do meanwhile.

Each row is a process of its own, with so many cores: `python -m gpu_acceptance.time_line_run`.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil
import tifffile

from gpu_acceptance.sheet import Sheet
from gpu_acceptance.sizes import TINY, VOXEL_SIZE, Sizes
from gpu_acceptance.subject import make_psf, make_raw
from lightsheet.cluster.width import choose_slots
from lightsheet.processing.needs import plan_needs
from lightsheet.store import Results, StoreLayout, write_volume
from lightsheet.system import count_cores

SECONDS = 40
"""For one row."""


def measure(sheet: Sheet, sizes: Sizes) -> None:
    """Fill the sheet."""
    with tempfile.TemporaryDirectory(dir=choose_folder(sizes)) as name:
        folder = Path(name)
        sheet.put("raw shards in", str(folder.parent))
        write_source(folder, sizes)
        for row in list_rows(sizes):
            label = ", ".join(f"{key} {value}" for key, value in row.items())
            values = sheet.attempt(label, run_row, folder, sheet.content["stand_in"], row)
            if row["trace"]:
                continue  # PyTorch is in that process's memory too
            used, promised = (values[key] if values else float("nan") for key in ("GB of the host", "GB promised"))
            detail = f"{used:.2f} GB, promised {promised:.2f}"
            sheet.check(f"host memory is as promised: {label}", used <= promised, detail)


def list_rows(sizes: Sizes) -> list[dict[str, Any]]:
    """Return what to vary: first the row that is aimed at, and without a trace; time may end."""
    cores = [number for number in sizes.cores if number <= count_cores()] or [count_cores()]
    aim_cores = min(cores, key=lambda number: abs(number - 8))
    aim = {"cores": aim_cores, "slots": choose_row_slots(sizes, aim_cores), "dtype": "uint16", "trace": True}
    rows = [aim, aim | {"dtype": "float32", "trace": False}, *[aim | {"trace": False}] * (sizes is not TINY)]
    for count in cores:
        slots = sorted({*sizes.slots, choose_row_slots(sizes, count)})
        rows += [aim | {"cores": count, "slots": number} for number in slots]
    return [row for number, row in enumerate(rows) if row not in rows[:number]]


def choose_row_slots(sizes: Sizes, cores: int) -> int:
    """Return how many volumes a worker of so many cores would have in hand of a long movie."""
    needs = plan_needs(sizes.volume, sizes.psf, "gpu", "none", iterations=sizes.iterations, dtype="uint16")
    return choose_slots(needs, cores, 100 * sizes.volumes)


def choose_folder(sizes: Sizes) -> Path:
    """Return a folder in memory if it has room, else the usual one."""
    needed = 4 * sizes.volumes * 6 * sizes.volume[0] * sizes.volume[1] * sizes.volume[2]
    shared = Path("/dev/shm")
    room = shutil.disk_usage(shared).free if shared.is_dir() else 0
    return shared if min(room, psutil.virtual_memory().available / 2) > needed else Path(tempfile.gettempdir())


def write_source(folder: Path, sizes: Sizes) -> None:
    """Write a PSF and raw shards; one more than is measured, for the first volume."""
    tifffile.imwrite(folder / "psf.tif", make_psf(sizes.psf))
    layout = StoreLayout.plan(sizes.volume, VOXEL_SIZE, "uint16", {"name": "blosc"})
    raw = make_raw(sizes.volume)
    for timepoint in range(sizes.volumes + 1):
        write_volume(Results(folder / "results").work("raw", "c"), timepoint, raw, layout, count_cores())


def run_row(folder: Path, stand_in: bool, row: dict[str, Any]) -> dict[str, Any]:
    """Measure one row in a process that has nothing of the others'."""
    options = [
        str(row["cores"]),
        str(row["slots"]),
        row["dtype"],
        *["--trace"] * row["trace"],
        *["--stand-in"] * stand_in,
    ]
    command = [sys.executable, "-m", "gpu_acceptance.time_line_run", str(folder), *options]
    done = subprocess.run(command, env=os.environ, stdout=subprocess.PIPE, text=True, timeout=SECONDS, check=True)
    values: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return values
