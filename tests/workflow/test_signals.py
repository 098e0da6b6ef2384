import threading

import pytest
from snakemake.scheduling.job_scheduler import JobScheduler

from lightsheet.workflow.signals import answer_signals_aside


def test_sigterm_while_snakemake_holds_its_lock_ends_the_process_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JobScheduler, "exit_gracefully", JobScheduler.exit_gracefully)  # and so as before afterwards
    answer_signals_aside()
    scheduler = JobScheduler.__new__(JobScheduler)
    scheduler._lock, scheduler._open_jobs, scheduler._user_kill = threading.Lock(), threading.Semaphore(0), None
    handler = threading.Thread(target=scheduler.exit_gracefully, args=(15, None), daemon=True)
    with scheduler._lock:
        handler.start()
        handler.join(60)
        assert not handler.is_alive(), "it waits for what it interrupted"
    assert scheduler._open_jobs.acquire(timeout=60)
    assert scheduler._user_kill == "graceful"
