"""A project whose runs use the cluster of the tests."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lightsheet.cluster import slurm as queue
from tests.support.minislurm import Cluster, Job
from tests.support.project import ROOT, Project

SLOW = Path(__file__).parent / "slow_worker"
"""Makes each volume take two seconds of a worker: long enough to be hit in the middle."""

PROFILE = ("--profile", str(ROOT / "profiles" / "slurm"))

SECTIONS: dict[str, dict[str, Any]] = {
    "cpu": {"queue": "cpu", "cores": 1, "memory": "700MiB", "walltime": "00:10:00", "death-timeout": 20},
    "gpu": {"queue": "gpu", "cores": 1, "memory": "700MiB", "job-extra-directives": ["--gres=gpu:1"]},
    # SLURM makes a minute of it; of 20 s a worker takes volumes for 4.
    "brief": {"queue": "cpu", "cores": 1, "memory": "700MiB", "walltime": "00:00:20"},
    "nowhere": {"queue": "moon", "cores": 1, "memory": "700MiB"},
}


@dataclass
class SlurmProject(Project):
    """Two channels x three timepoints in one block, nothing done yet; `undisturbed` are a local run's digests."""

    cluster: Cluster
    undisturbed: dict[str, str]
    variables: dict[str, str] = field(default_factory=dict)
    launched: list[subprocess.Popen[bytes]] = field(default_factory=list)
    earlier: dict[Path, str] = field(default_factory=dict)  # logs of jobs when the latest run was launched

    @property
    def label(self) -> str:
        """What the names of the run's SLURM jobs begin with."""
        return queue.label_jobs(self.results)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.variables}

    def offer(self, **sections: dict[str, Any]) -> None:
        """Write jobqueue.yaml: SECTIONS, with more keys for some."""
        slow = {"job-script-prologue": [f"export PYTHONPATH={SLOW}"]}
        all_sections = {name: {**SECTIONS[name], **slow, **sections.get(name, {})} for name in SECTIONS}
        self.variables["LIGHTSHEET_JOBQUEUE"] = str(self.folder / "jobqueue.yaml")
        self.variables["SLOW_WORKER_HOLD"] = str(self._hold)
        content = {"jobqueue": all_sections, "lightsheet": {"wait-for-workers": "20s"}}
        (self.folder / "jobqueue.yaml").write_text(yaml.safe_dump(content))

    @property
    def _hold(self) -> Path:
        return self.folder.parent / "hold"

    @contextmanager
    def hold_volumes(self) -> Iterator[None]:
        """Let no volume of which a worker reads the raw shard be done in the block: the run cannot end meanwhile."""
        self._hold.touch()
        try:
            yield
        finally:
            self._hold.unlink()

    def command(self, *arguments: str) -> list[str]:
        """Return the command of a run: on this machine's cores, or as a profile says."""
        command = super().command(*arguments)
        options = ["--cores"] if "--profile" in arguments else []
        if (self.folder / "Snakefile").exists():
            options.append("--snakefile")
        for option in options:
            at = command.index(option)
            del command[at : at + 2]
        return command

    def launch(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start `snakemake` in a session of its own; what it says goes to run.log."""
        self.earlier = self._read_logs()
        with (self.folder / "run.log").open("wb") as log:
            running = subprocess.Popen(
                self.command(*arguments),
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.launched.append(running)
        return running

    def end(self) -> None:
        """Kill what a failed test left running."""
        for running in self.launched:
            if running.poll() is None:
                self.kill(running)

    def workers_from(self, section: str, number: int = 2) -> subprocess.Popen[bytes]:
        """Start a run here whose Dask workers alone are SLURM jobs; a report of it would be made as without them."""
        resources = (f"deconvolve:dask_cluster={section}", f"deconvolve:dask_workers={number}")
        return self.launch("consolidate", "--set-resources", *resources)

    def with_profile(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a run whose jobs are SLURM jobs, by the repository's profile; two workers, so that there is time."""
        return self.launch("consolidate", *PROFILE, "--set-resources", "deconvolve:dask_workers=2", *arguments)

    @property
    def log(self) -> str:
        """What the latest run has said, and after that what its jobs have in their logs."""
        logs = [text.removeprefix(self.earlier.get(path, "")) for path, text in self._read_logs().items()]
        return "".join([(self.folder / "run.log").read_text(errors="replace"), *logs])

    def wait_for(self, *words: str, seconds: float = 180) -> None:
        """Wait until the latest run, or a job of it, has said these words."""
        try:
            self.cluster.wait_until(lambda: all(word in self.log for word in words), seconds, f"{words} in the log")
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.log[-4000:]}") from None

    def finish(self, running: subprocess.Popen[bytes], seconds: float = 300) -> str:
        """Wait for a run to end well: with the bytes of an undisturbed run, and no job left. Return its log."""
        assert running.wait(seconds) == 0, self.log
        assert self.digests() == self.undisturbed
        self.assert_no_job_is_left(20)
        return self.log

    def fail_in(self, running: subprocess.Popen[bytes], seconds: float = 300) -> str:
        """Wait for a run to end badly, without a traceback. Return its log."""
        assert running.wait(seconds) != 0, self.log
        assert "Traceback" not in self.log, self.log
        self.assert_no_job_is_left(20)
        return self.log

    def worker_jobs(self, state: str | None = "RUNNING") -> list[Job]:
        """List the workers' jobs in a state, or in any."""
        jobs = self.cluster.jobs() if state is None else self.cluster.jobs(state=state)
        return [job for job in jobs if job.name.startswith(f"{self.label}-")]

    def jobs_left(self) -> list[Job]:
        return [job for job in self.cluster.queued() if job.name.startswith(self.label)]

    def assert_no_job_is_left(self, seconds: float) -> None:
        """Wait until all jobs have ended, and seconds later their processes: on this cluster nothing kills those."""
        self.cluster.wait_until(lambda: not self.jobs_left(), seconds, "no job of the run in the queue")
        self.cluster.wait_until(lambda: not self.cluster.job_processes(), 8, "no process of an ended job")

    def done(self) -> list[Path]:
        """Records of the volumes that are deconvolved."""
        return sorted((self.results / "records" / "result").rglob("t*.json"))
