"""Workers on sites whose SLURM prints more than SLURM does, or forbids what others want; processes in place of jobs."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightsheet.cluster import slurm_workers, workers
from lightsheet.cluster.slurm import list_jobs
from lightsheet.cluster.worker_request import WorkerRequest
from lightsheet.store import Results
from tests.support.fake_slurm import BANNER, FakeSlurm

SECTION = """
jobqueue:
  cpu:
    queue: cpu
    cores: 1
    walltime: "00:30:00"
    job-directives-skip: ["--mem"]
    job-extra-directives: ["--mem-per-cpu=2G"]
"""
"""As the profile's README has it for a site that takes no `--mem`."""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSlurm]:
    (tmp_path / "jobqueue.yaml").write_text(SECTION)
    monkeypatch.setenv("LIGHTSHEET_JOBQUEUE", str(tmp_path / "jobqueue.yaml"))
    monkeypatch.setenv("SLURM_CLUSTERS", "serial")
    note = "slurm: cached output, refreshed 12 s ago"
    slurm = FakeSlurm(tmp_path / "slurm", banner=BANNER, cluster="serial", note=note, forbid_mem=True)
    monkeypatch.setenv("PATH", f"{slurm.bin}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    yield slurm
    slurm.end()


@pytest.mark.slow
def test_a_worker_comes_and_leaves_on_a_site_of_all_oddities(site: FakeSlurm) -> None:
    request = WorkerRequest("cpu", 1, 1, Results(Path("results/a")), "t0000")
    with workers.start_workers(request, "cpu", 10**9) as pool:
        end = time.monotonic() + 60
        while not pool.list_free([]):
            assert time.monotonic() < end
            pool.maintain(1, [])
            time.sleep(0.1)
        assert isinstance(pool, slurm_workers.SlurmWorkers)
        assert [(worker.job_id, worker.end) for worker in pool.workers] == [("519605", None)]
        (job,) = list_jobs(request.name)
        assert (job.id, job.state) == ("519605", "RUNNING")
    (script,) = site.scripts
    assert "#SBATCH --mem-per-cpu=2G" in script
    assert "--mem=" not in script
    assert not [line for line in site.cancelled if line.split()[1:] not in ([], ["519605"])], "a job of somebody else"
