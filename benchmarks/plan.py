"""Compare what `snakemake plan` says with what the run then takes, and keep it in results/plan.md.

An acquisition is simulated, `snakemake pilot` measures one volume of each channel, `snakemake plan` plans, and the run
is watched: its wall-clock, the seconds that its volumes took, the bytes of its shards, the most that its folder takes
on the disk at any moment, its files and folders, its jobs. The ratio is what was measured by what was planned. A second
pilot after the run says by how much the machine itself has changed meanwhile: other work on it is in no plan.

With --slurm the same is done once more with `--profile slurm`: on the site's SLURM, or, where there is none and you are
root, on one on this machine (tests/support/minislurm.py).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml
from support.local_slurm import start_slurm
from support.result_table import write_result

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from lightsheet.simulation import simulate_acquisition  # noqa: E402
from lightsheet.system import format_size  # noqa: E402

CHANNELS = {"CamA_ch0_488nm": "psf/488.tif", "CamA_ch1_560nm": "psf/560.tif"}
VOXEL = {"z": 0.3, "y": 0.104, "x": 0.104}

HERE = ("--cores", "all")
SLURM = (
    *("--profile", str(ROOT / "profiles" / "slurm"), "--set-threads", "ingest=1", "consolidate=1"),
    *("--jobs", str(os.cpu_count()), "--set-resources", "deconvolve:dask_workers=1"),
)
"""On one machine, no more at a time than it has cores: what jobs take from each other is in no plan."""

JOBQUEUE = {"jobqueue": {"cpu": {"queue": "cpu", "cores": 1, "walltime": "01:00:00"}}}


def prepare(folder: Path, timepoints: int, shape: tuple[int, int, int], iterations: int) -> None:
    """Simulate the acquisition, and write its configuration."""
    simulate_acquisition(
        folder / "data",
        channels=2,
        timepoints=timepoints,
        shape=shape,
        psf_shape=(61, 32, 32),
        progress=lambda _line: None,
    )
    for name in ("run", "later"):
        config = {
            "name": name,
            "input": {"folder": "data"},
            "voxel_size": VOXEL,
            "psf": {"files": CHANNELS, "voxel_size": {**VOXEL, "z": 0.1}},
            "deconvolution": {"engine": "cpu", "iterations": iterations, "background": 100, "timepoints_per_job": 2},
            "pilot": {"iterations": [1, iterations]},
        }
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(config))
    (folder / "jobqueue.yaml").write_text(yaml.safe_dump(JOBQUEUE))


def snakemake(folder: Path, name: str, where: Sequence[str], *targets: str) -> float:
    """Run the workflow; return the seconds that it took."""
    command = [sys.executable, "-m", "snakemake", *targets, "--snakefile", str(ROOT / "Snakefile"), *where]
    start = time.monotonic()
    ended = subprocess.run(
        [*command, "--configfile", f"{name}.yaml"],
        cwd=folder,
        env={**os.environ, "LIGHTSHEET_JOBQUEUE": str(folder / "jobqueue.yaml")},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise SystemExit(ended.stderr)
    return time.monotonic() - start


def measure_disk(folder: Path) -> int:
    """Sum up the bytes on the disk below a folder, each file once; not what a pilot left."""
    sizes = dict[int, int]()
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if "pilot" not in name]
        for name in (name for name in names if "pilot" not in name):
            try:
                stat = os.stat(os.path.join(place, name))  # noqa: PTH116, PTH118 (as `os.walk` gives them)
            except FileNotFoundError:
                continue  # renamed meanwhile
            sizes[stat.st_ino] = stat.st_blocks * 512
    return sum(sizes.values())


def watch(folder: Path, ended: threading.Event, peak: list[int]) -> None:
    """Append what the folder takes on the disk, twice a second."""
    while not ended.wait(0.5):
        peak.append(measure_disk(folder))


def measure(folder: Path, where: Sequence[str]) -> dict[str, float]:
    """Run the workflow, and return what it took."""
    results, ended, peak = folder / "results" / "run", threading.Event(), [0]
    watcher = threading.Thread(target=watch, args=(results, ended, peak))
    watcher.start()
    try:
        seconds = snakemake(folder, "run", where)
    finally:
        ended.set()
        watcher.join()
    records = [json.loads(path.read_text()) for path in (results / "records").rglob("t*.json")]
    return {
        "wall-clock": seconds,
        "a volume": fmean(sum(record["seconds"].values()) for record in records if "settings" in record),
        "written": sum(shard["bytes"] for record in records for shard in record["shards"]),
        "peak of the disk": max(*peak, measure_disk(results)),
        "jobs": len(list((results / "work" / "manifests").glob("*.json"))),
    }


def read_plan(folder: Path, name: str) -> dict[str, float]:
    """Return what the plan says, in the same words."""
    plan: dict[str, Any] = json.loads((folder / "results" / name / "plan.json").read_text())
    rules = {rule["rule"]: rule["jobs"] for rule in plan["rules"]}
    return {
        "wall-clock": plan["seconds"],
        "a volume": next(rule["volume_seconds"] for rule in plan["rules"] if rule["rule"] == "workers"),
        "written": plan["written_bytes"],
        "peak of the disk": plan["written_bytes"],
        "jobs": sum(rules[rule] for rule in ("ingest", "deconvolve", "consolidate")),
    }


def words(what: str, value: float) -> str:
    """Write a value with its unit."""
    if what in ("wall-clock", "a volume"):
        return f"{value:.1f} s"
    return format_size(value) if what in ("written", "peak of the disk") else f"{value:.0f}"


def compare(folder: Path, where: Sequence[str]) -> list[str]:
    """Plan, run, and plan again; return a table."""
    snakemake(folder, "run", where, "pilot")
    snakemake(folder, "run", where, "plan")
    plan, took = read_plan(folder, "run"), measure(folder, where)
    snakemake(folder, "later", where, "pilot")
    snakemake(folder, "later", where, "plan")
    after = read_plan(folder, "later")["wall-clock"]
    return [
        "| | planned | measured | measured / planned |",
        "|---|---|---|---|",
        *(f"| {w} | {words(w, plan[w])} | {words(w, took[w])} | {took[w] / plan[w]:.2f} |" for w in took),
        "",
        f"Planned from a pilot after the run, the wall-clock is {words('wall-clock', after)}, and the ratio "
        f"{took['wall-clock'] / after:.2f}: the machine has other work too, which no plan knows.",
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Print and keep the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=int, nargs=3, metavar=("Z", "Y", "X"), default=(64, 256, 256))
    parser.add_argument("--timepoints", type=int, default=4, help="(default: %(default)s)")
    parser.add_argument("--iterations", type=int, default=40, help="(default: %(default)s)")
    parser.add_argument("--slurm", action="store_true", help="do it once more with --profile slurm")
    options = parser.parse_args(argv)
    places = {"on this machine": HERE, "with `--profile slurm`": SLURM} if options.slurm else {"on this machine": HERE}
    lines = [
        f"Planned and measured, by `python benchmarks/plan.py{' --slurm' * options.slurm}`, on {os.cpu_count()} cores: "
        f"2 channels x {options.timepoints} timepoints of {tuple(options.shape)}, {options.iterations} iterations, "
        "engine cpu."
    ]
    for words_of_place, where in places.items():
        with tempfile.TemporaryDirectory() as name, start_slurm() if where is SLURM else nullcontext():
            prepare(Path(name), options.timepoints, options.shape, options.iterations)
            lines += ["", f"## {words_of_place.capitalize()}", "", *compare(Path(name), where)]
    write_result("plan", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
