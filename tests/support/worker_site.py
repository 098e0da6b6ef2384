"""A SLURM and a Dask scheduler in memory, with a clock of their own, and the workers of a run on them."""

from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lightsheet.cluster import dismissal, queue_watch, slurm_worker, slurm_workers, submission
from lightsheet.cluster.section import Section
from lightsheet.cluster.shared_queue import Queue
from lightsheet.cluster.slurm import SlurmJob
from lightsheet.cluster.slurm_workers import SlurmWorkers
from lightsheet.cluster.worker_request import WorkerRequest
from lightsheet.store import Results

STEP = 5.0  # seconds of the clock between two looks at the workers


class Site:
    """A SLURM and a Dask scheduler, whose clock goes on at each look.

    `submitted` and `cancelled` name workers, `dismissed` are the addresses of those that were asked to end.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
        self.now, self.submitted, self.cancelled, self.dismissed = 1000.0, list[str](), list[str](), list[str]()
        self.refusal, self.attempts, self.nodes = "", 0, dict[str, str]()
        self.states: dict[str, str] = {}  # of jobs, as squeue says; those that are absent it does not know
        self.trial = SimpleNamespace(
            done=lambda: False, status="finished", exception=lambda: None, add_done_callback=lambda _: None
        )
        self.scheduler, self.workers = SimpleNamespace(workers={}), dict[str, Any]()
        for module in (dismissal, queue_watch, slurm_worker, slurm_workers, submission):
            monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now))
        for module in (dismissal, slurm_workers, submission):
            monkeypatch.setattr(module, "update_jobs", self.update_jobs)
        monkeypatch.setattr(dismissal, "close_workers", lambda _, addresses: self.dismissed.extend(addresses))
        self.ended = set[str]()
        monkeypatch.setattr(slurm_workers, "forget_jobs", lambda _, names: self.ended.update(names))
        monkeypatch.setattr(submission, "set_job_options", lambda *_: None)
        monkeypatch.setattr(slurm_workers, "recall_job", lambda job: SlurmJob(job, "UNKNOWN"))
        monkeypatch.setattr(queue_watch, "ask_queue", self.ask_queue)
        section = Section("cpu", 8, False, None, 4 * 3600, 12 * 3600)
        request = WorkerRequest("cpu", number, 1, Results(Path("small")), "t0000")
        client: Any = SimpleNamespace(submit=lambda *_, **__: self.trial)
        self.pool = SlurmWorkers(client, self, section, request, 10**9, "cpu")  # type: ignore[arg-type]

    def update_jobs(self, _cluster: Any, *, cancel: Collection[str] = (), submit: Collection[str] = ()) -> str:
        for name in () if self.refusal else submit:
            job = str(100 + len(self.submitted))
            self.workers[name] = SimpleNamespace(job_id=job)
            self.submitted.append(name)
            self.states[job] = "RUNNING"
        for name in {*cancel} - self.ended:
            self.cancelled.append(name)
            if name in self.workers:
                self.states[self.workers[name].job_id] = "CANCELLED"
        self.attempts += len([*submit])
        return self.refusal if submit else ""

    def ask_queue(self, _path: Path, _label: str) -> Queue:
        name = self.pool.request.name
        jobs = [SlurmJob(job, state, "", self.nodes.get(job, "n1"), name) for job, state in self.states.items()]
        return Queue(jobs, self.now, self.now)

    def connect(self, name: str) -> None:
        self.scheduler.workers[name] = SimpleNamespace(name=name, address=f"tls://{name}", extra={})

    def finish_trials(self) -> None:
        self.trial.done = lambda: True

    def wait(self, seconds: float, busy: Collection[str] = ()) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += STEP
            self.pool.maintain(self.pool.request.number, list(busy))


def make_ready(site: Site, *names: str) -> None:
    for name in names:
        site.connect(name)
    site.wait(STEP)
    site.finish_trials()
    site.wait(STEP)
