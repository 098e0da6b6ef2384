"""Measure what Snakemake, SLURM and Dask cost on top of the volumes, and keep it in results/cluster.md.

1. 40 volumes of two seconds, and 600 of a fifth of one, through the whole of `snakemake --profile slurm` with the
   shipped settings: the time from typing to the published store, beside the ideal, which is the seconds in the volumes'
   records divided by the number of workers. This machine may have fewer cores than the workers, so a volume takes its
   time without a core (tests/support/slow_worker).
2. 2000 and 20000 volumes without pixels on 100 workers, which are objects of another process: the CPU seconds and the
   memory of the coordinator.
3. Snakemake itself with 20000 volumes: a dry run with all to do, and a run with nothing to do.

Where there is no SLURM, root gets one on this machine (tests/support/minislurm.py), of five nodes with four CPUs each.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from support.local_slurm import start_slurm
from support.many_volumes import multiply_results, multiply_source
from support.result_table import write_result

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from tests.support.slow_jobqueue import write_slow_jobqueue  # noqa: E402

from lightsheet.simulation import simulate_acquisition  # noqa: E402
from lightsheet.store import Results  # noqa: E402
from lightsheet.system import read_json  # noqa: E402

CHANNEL = "CamA_ch0_488nm"
CROWD = 100
MANY = 20000
SUPPORT = Path(__file__).parent / "support"
PROFILE = ("--profile", str(ROOT / "profiles" / "slurm"))


class Cost(NamedTuple):
    """What a command took: seconds, and MB of its largest process."""

    seconds: float
    megabytes: float
    output: str


def prepare(folder: Path, name: str, timepoints: int, **deconvolution: Any) -> Path:
    """Simulate one acquisition, and write its configuration; return the folder of its TIFFs."""
    data = folder / "data" / name
    simulate_acquisition(
        data, channels=1, timepoints=timepoints, shape=(4, 16, 16), psf_shape=(31, 20, 20), progress=lambda _line: None
    )
    config = {
        "name": name,
        "input": {"folder": str(data)},
        "voxel_size": {"z": 0.3, "y": 0.104, "x": 0.104},
        "psf": {"files": {CHANNEL: "psf/488.tif"}, "voxel_size": {"z": 0.1, "y": 0.104, "x": 0.104}},
        "deconvolution": {"engine": "cpu", "background": 100, "iterations": 1, **deconvolution},
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(config))
    return data


def snakemake(folder: Path, name: str, *arguments: str) -> Cost:
    """Run the workflow."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), *arguments]
    command += ["--configfile", f"{name}.yaml"]
    environment = {**os.environ, "LIGHTSHEET_JOBQUEUE": str(folder / "jobqueue.yaml")}
    start = time.monotonic()
    with (folder / "output.txt").open("w+") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        output.seek(0)
        text = output.read()
    if status:
        raise SystemExit(text)
    return Cost(time.monotonic() - start, usage.ru_maxrss / 1000, text)


def measure_run(folder: Path, volumes: int, seconds: float) -> str:
    """Measure 1."""
    name = f"volumes{volumes}"
    prepare(folder, name, volumes)
    write_slow_jobqueue(folder / "jobqueue.yaml", seconds)
    start = time.time()
    snakemake(folder, name, *PROFILE)
    ended = time.time() - start
    results = folder / "results" / name
    published = (results / "work" / "manifests" / "consolidate.json").stat().st_mtime - start
    records = [read_json(path) or {} for path in (results / "records" / "result").rglob("t*.json")]
    workers = len({record["slurm_job"] for record in records})
    work = sum(sum(record["seconds"].values()) for record in records)
    ideal = work / workers
    return (
        f"{volumes} volumes of {work / volumes:.2f} s, which need no core, on {workers} workers with the shipped "
        f"settings: {published:.0f} s from typing to the published store, {ended:.0f} s to the report and the end. "
        f"The ideal is {ideal:.1f} s; {published:.0f} s = 1.25 x ideal {published - 1.25 * ideal:+.0f} s."
    )


def measure_coordinator(folder: Path, volumes: int) -> str:
    """Measure 2."""
    crowd = folder / f"crowd{volumes}"
    crowd.mkdir()
    path = f"{SUPPORT / 'crowd_commands'}:{os.environ['PATH']}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts"), "CROWD": str(crowd), "PATH": path}
    with (crowd / "log.txt").open("w") as log:
        workers = subprocess.Popen(
            [sys.executable, SUPPORT / "crowd.py", crowd], env=environment, stdout=log, stderr=log
        )
        try:
            command = [sys.executable, SUPPORT / "idle_volumes.py", str(volumes), str(CROWD)]
            ended = subprocess.run(command, cwd=crowd, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        finally:
            workers.kill()
            workers.wait()
    seconds, cpu, megabytes = map(float, ended.stdout.split())
    return (
        f"{volumes} volumes without pixels on {CROWD} workers, which share another process: {seconds:.0f} s; the "
        f"coordinator (client and scheduler) uses {1000 * cpu / volumes:.1f} ms of CPU per volume, and {megabytes:.0f} "
        "MB of memory."
    )


def measure_snakemake(folder: Path) -> str:
    """Measure 3."""
    name, last = "many", ("-c", "all")
    data = prepare(folder, name, 1)
    snakemake(folder, name, *last, "--until", "deconvolve")
    results = Results(folder / "results" / name)
    multiply_source(data, "demo", MANY)
    plan = snakemake(folder, name, "-n", *PROFILE, "--config", "output={folder: nowhere}")
    multiply_results(results, "demo", CHANNEL, MANY)
    finished = snakemake(folder, name, *last)
    rerun = snakemake(folder, name, *PROFILE)
    assert "Nothing to be done" in rerun.output, rerun.output
    return (
        f"{MANY} volumes in Snakemake: a dry run takes {plan.seconds:.1f} s and {plan.megabytes:.0f} MB; to publish "
        f"them when all are done {finished.seconds:.0f} s and {finished.megabytes:.0f} MB; a run with nothing to do "
        f"{rerun.seconds:.1f} s and {rerun.megabytes:.0f} MB."
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Print and keep the measures."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args(argv)
    with tempfile.TemporaryDirectory() as name, start_slurm(nodes=5, cpus=4):
        folder = Path(name)
        lines = [
            measure_run(folder, 40, 2.0),
            measure_run(folder, 600, 0.2),
            measure_coordinator(folder, 2000),
            measure_coordinator(folder, MANY),
            measure_snakemake(folder),
        ]
    machine = f"{platform.node()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    lines = [f"By `python benchmarks/cluster.py` on {machine}.", "", *(f"- {line}" for line in lines)]
    write_result("cluster", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
