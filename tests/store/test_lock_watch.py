"""Jobs end with their run."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lightsheet.store import lock_watch
from lightsheet.store.lock_holder import describe_this_process
from lightsheet.store.paths import Results
from tests.support.patience import wait_until

pytestmark = pytest.mark.slow

JOB = """
import sys, time
from lightsheet.store import end_with_run, lock_watch
from lightsheet.system import log_job

lock_watch.CHECK_SECONDS = 0.05
with log_job("job.log"):
    end_with_run()
    open("started", "w").close()
    time.sleep(float(sys.argv[1]))
"""


class Job:
    """A job of a run whose lock is `lock`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.run = folder, describe_this_process()
        self.lock = Results(folder / "results" / "a").lock
        self.lock.parent.mkdir(parents=True)

    def start(self, seconds: float = 60, **run: object) -> subprocess.Popen[bytes]:
        self.run = replace(self.run, **run)  # type: ignore[arg-type]
        self.lock.write_text(self.run.to_json())
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(lock_watch.__file__).parents[2]),
            lock_watch.RUNS: f"of-another-run /elsewhere\n{self.run.token} {self.folder / 'results' / 'a'}",
        }
        job = subprocess.Popen([sys.executable, "-c", JOB, str(seconds)], cwd=self.folder, env=environment)
        wait_until((self.folder / "started").exists)
        return job

    @property
    def log(self) -> str:
        return (self.folder / "job.log").read_text()


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    return Job(tmp_path)


def test_a_job_whose_run_is_killed_ends(job: Job) -> None:
    with subprocess.Popen(["sleep", "60"]) as run:
        start = replace(describe_this_process(), process=run.pid)
        running = job.start(process=run.pid, start=_start_of(run.pid), token=start.token)
        time.sleep(0.3)
        assert running.poll() is None
        run.kill()
        assert running.wait(50) == 130
    assert "its run is dead" in job.log


def _start_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19])


def test_a_job_ends_when_another_run_takes_the_folder_over(job: Job) -> None:
    running = job.start(machine="elsewhere")
    job.lock.write_text(replace(job.run, token="0" * 32, user="ada").to_json())
    assert running.wait(50) == 130
    assert "another run has taken the results folder over (user ada" in job.log


def test_a_job_goes_on_where_its_lock_cannot_be_seen(job: Job) -> None:
    running = job.start(seconds=0.5, machine="elsewhere")
    job.lock.write_text("")
    job.lock.unlink()
    assert running.wait(50) == 0
