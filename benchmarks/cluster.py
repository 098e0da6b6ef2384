"""Measure what SLURM and Dask cost on top of the volumes, and keep it in results/cluster.md.

1. 40 volumes of about two seconds on 4 workers: the time from submission to the last record, less the cluster's own
   start (from submission to the first worker that is ready), over the ideal: the seconds in the volumes' records,
   divided by 4. Both are of the same run, so a slow machine slows both.
2. 2000 volumes that take no time at all: the CPU seconds and the memory of the coordinator.
3. A rerun with nothing to do, of 600 volumes, with `--profile slurm`: its seconds, and the jobs it submits.

Where there is no SLURM, root gets one on this machine (tests/support/minislurm.py).
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from support.local_slurm import start_slurm
from support.result_table import write_result

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from lightsheet.cluster import label_jobs, list_jobs  # noqa: E402
from lightsheet.simulation import simulate_acquisition  # noqa: E402
from lightsheet.system import read_json  # noqa: E402

WORKERS = 4
JOBQUEUE = {"jobqueue": {"cpu": {"queue": "cpu", "cores": 1, "memory": "1GiB", "walltime": "01:00:00"}}}

NOTHING = """
import os, re, resource, sys, time
from pathlib import Path
from lightsheet.cluster import WorkerRequest, map_volumes, start_workers
from lightsheet.store import Results

asked = WorkerRequest("cpu", 4, 1, Results(Path("benchmark")), "t0000")
with start_workers(asked, "cpu", 0) as pool:
    while len(pool.list_free([])) < 4:
        pool.maintain(4, [])
        time.sleep(0.5)
    start, before = time.monotonic(), time.process_time()
    ended = list(map_volumes(pool, os.getpid, {f"volume {n}": {} for n in range(2000)}, "nothing"))
    seconds, cpu = time.monotonic() - start, time.process_time() - before
assert len(ended) == 2000 and not any(error for _, error in ended)
print(seconds, cpu, int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1000)
"""


def prepare(folder: Path, name: str, timepoints: int, shape: tuple[int, int, int], **deconvolution: Any) -> None:
    """Simulate one acquisition, and write its configuration and jobqueue.yaml."""
    data = folder / "data" / name
    simulate_acquisition(
        data, channels=1, timepoints=timepoints, shape=shape, psf_shape=(31, 20, 20), progress=lambda _line: None
    )
    config = {
        "name": name,
        "input": {"folder": str(data)},
        "voxel_size": {"z": 0.3, "y": 0.104, "x": 0.104},
        "psf": {"files": {"CamA_ch0_488nm": "psf/488.tif"}, "voxel_size": {"z": 0.1, "y": 0.104, "x": 0.104}},
        "deconvolution": {"engine": "cpu", "background": 100, "timepoints_per_job": timepoints, **deconvolution},
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(config))
    (folder / "jobqueue.yaml").write_text(yaml.safe_dump(JOBQUEUE))


def snakemake(folder: Path, *arguments: str) -> str:
    """Run the workflow; return what it said."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), *arguments]
    environment = {**os.environ, "LIGHTSHEET_JOBQUEUE": str(folder / "jobqueue.yaml")}
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(ended.stderr)
    return ended.stdout + ended.stderr


def orchestration(folder: Path) -> str:
    """Measure 1: real volumes."""
    prepare(folder, "forty", 40, (24, 96, 96), iterations=80)
    snakemake(folder, "-c", "all", "--until", "ingest", "psf", "--configfile", "forty.yaml")
    where = ["--set-resources", "deconvolve:dask_cluster=cpu", f"deconvolve:dask_workers={WORKERS}"]
    log = snakemake(folder, "-c", "1", "--until", "deconvolve", *where, "--configfile", "forty.yaml")
    clock = {words: _clock(log, words) for words in ("up to", "is ready", "deconvolve 40/40")}
    paths = (folder / "results" / "forty" / "records" / "result").rglob("t*.json")
    each = [sum((read_json(path) or {})["seconds"].values()) for path in paths]
    began, ready, ended = clock.values()
    ideal = sum(each) / WORKERS
    return (
        f"40 volumes of {sum(each) / 40:.1f} s on {WORKERS} workers: {ended - began} s from submission to the last "
        f"record, {ready - began} s of them until the first worker was ready; the rest is "
        f"{(ended - ready) / ideal:.2f} x the ideal {ideal:.1f} s."
    )


def _clock(log: str, words: str) -> int:
    """Return the second of the day of the first line that holds these words."""
    found = re.search(rf"(\d+):(\d+):(\d+) INFO .*{words}", log)
    assert found, log
    hours, minutes, seconds = map(int, found.groups())
    return (hours * 60 + minutes) * 60 + seconds


def coordinator(folder: Path) -> str:
    """Measure 2: as many volumes as may be, without pixels."""
    environment = {
        **os.environ,
        "LIGHTSHEET_JOBQUEUE": str(folder / "jobqueue.yaml"),
        "PYTHONPATH": str(ROOT / "scripts"),
    }
    command = [sys.executable, "-c", NOTHING]
    ended = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    seconds, cpu, megabytes = map(float, ended.stdout.split())
    return (
        f"2000 volumes that take no time: {seconds:.1f} s, {1000 * seconds / 2000:.1f} ms each; the coordinator "
        f"(client and scheduler) uses {1000 * cpu / 2000:.1f} ms of CPU for each, and {megabytes:.0f} MB of memory."
    )


def rerun(folder: Path) -> str:
    """Measure 3: nothing to do."""
    prepare(folder, "many", 600, (4, 16, 16), iterations=1)
    snakemake(folder, "-c", "all", "--configfile", "many.yaml")
    label = label_jobs(folder / "results" / "many")
    before = len(list_jobs(label))
    start = time.monotonic()
    log = snakemake(folder, "--profile", str(ROOT / "profiles" / "slurm"), "--configfile", "many.yaml")
    seconds = time.monotonic() - start
    assert "Nothing to be done" in log, log
    submitted = len(list_jobs(label)) - before
    return f"A rerun with nothing to do, 600 volumes: {seconds:.1f} s; SLURM jobs submitted: {submitted}."


def main(argv: Sequence[str] | None = None) -> int:
    """Print and keep the three measures."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args(argv)
    with tempfile.TemporaryDirectory() as name, start_slurm():
        folder = Path(name)
        lines = [measure(folder) for measure in (orchestration, coordinator, rerun)]
    lines = [f"By `python benchmarks/cluster.py` on {os.cpu_count()} cores.", "", *(f"- {line}" for line in lines)]
    write_result("cluster", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
