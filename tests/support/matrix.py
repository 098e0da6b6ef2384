"""Run the shipped profile on clusters of many shapes: `make matrix`, or `make matrix CASE=2x8`.

A run of 24 small volumes, each of which takes a worker two seconds and no core, must end by itself with the digests of
a run on this machine, in little more than the time that the volumes need on the cores it could have. The table shows
seconds, the ideal, how much of the allowed time was used, workers x cores, calls of squeue, sacct and sinfo.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import minislurm
from tests.support.matrix_case import CASES, HEAD, TIMEPOINTS, VOLUME_SECONDS, Case, Outcome
from tests.support.minislurm import Cluster
from tests.support.project import ROOT, Project
from tests.support.slow_jobqueue import write_slow_jobqueue
from tests.support.slurm_project import SlurmProject

COUNTED = Path(__file__).parent / "counted_commands"
STANDSTILL_SECONDS = 600


def make_undisturbed(folder: Path) -> None:
    """Make a finished run of this machine in a folder."""
    project = Project(folder)
    project.simulate(TIMEPOINTS)
    project.configure(deconvolution={"timepoints_per_job": "auto"})
    project.succeed("consolidate")


def play_case(case: Case, cluster: Cluster, undisturbed: Path, folder: Path) -> Outcome:
    """Run a case in a folder, on a cluster of its shape.

    Of the shipped jobqueue.yaml one line is changed: what makes the volumes slow. Snakemake's log is run.log.
    """
    project = SlurmProject(folder, cluster, Project(undisturbed).digests())
    shutil.copytree(undisturbed / "data", folder / "data")
    project.configure(deconvolution={"timepoints_per_job": case.timepoints_per_job})
    write_slow_jobqueue(folder / "jobqueue.yaml", VOLUME_SECONDS)
    calls = folder / "calls.txt"
    calls.touch()
    project.variables |= {"PATH": f"{COUNTED}:{os.environ['PATH']}", "COUNTED_CALLS": str(calls)}
    project.variables["LIGHTSHEET_JOBQUEUE"] = str(folder / "jobqueue.yaml")
    start = time.monotonic()
    try:
        wrong = run_shipped(project)
    finally:
        project.end()
    seconds = time.monotonic() - start
    workers = [job for job in project.worker_jobs(state=None) if job.node]  # the others never began
    return Outcome(
        case,
        seconds,
        max((worker.cpus for worker in workers), default=0),
        len(workers),
        Counter(line.split()[1] for line in calls.read_text().splitlines()),
        Counter(worker.state for worker in workers),
        wrong,
    )


def run_shipped(project: SlurmProject) -> str:
    """Run Snakemake with the shipped profile until it ends or stands still; return what is wrong."""
    running = project.launch("--profile", str(ROOT / "profiles" / "slurm"))
    try:
        code = running.wait(STANDSTILL_SECONDS)
    except subprocess.TimeoutExpired:
        project.kill(running)
        return f"it stands still: {[job for job in project.cluster.queued() if job.user == 'root']}"
    if code:
        return f"it fails: {project.log[-2000:]}"
    return "" if project.digests() == project.undisturbed else "its digests are others"


@contextmanager
def start_cluster(case: Case) -> Iterator[Cluster]:
    """Run the cluster of a case, with its limits and the other users' jobs."""
    cluster = Cluster(minislurm.own_folder())
    cluster.start(accounting=bool(case.limits), nodes=case.nodes, cpus=case.cpus)
    try:
        if case.limits:
            cluster.limit(**case.limits)
        others = [cluster.occupy(node, cpus) for node, cpus in case.others.items()]
        cluster.wait_until(lambda: len(cluster.jobs(state="RUNNING")) == len(others), 20, "the other users' jobs")
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(cluster.folder)


def main() -> int:
    """Play the cases that are named, or all; return 1 if one fails."""
    if reason := minislurm.why_not():
        sys.exit(reason)
    minislurm.hide_link()
    folder, failed = Path(tempfile.mkdtemp(prefix="matrix-")), 0
    make_undisturbed(folder / "undisturbed")
    print(HEAD)
    for name in sys.argv[1:] or CASES:
        place = folder / name
        with start_cluster(CASES[name]) as cluster:
            outcome = play_case(CASES[name], cluster, folder / "undisturbed", place)
        print(outcome.describe(), flush=True)
        if outcome.faults:
            failed += 1
            print(*(f"    {fault}" for fault in outcome.faults), f"    see {place}", sep="\n", flush=True)
        else:
            shutil.rmtree(place)
    if not failed:
        shutil.rmtree(folder)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
