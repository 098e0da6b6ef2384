"""The beginning of a run: what Snakemake's scheduler is told."""

import threading
from types import SimpleNamespace

from snakemake.scheduling.job_scheduler import JobScheduler

from lightsheet.workflow.start import _end_timers_with_run


def test_no_timer_holds_the_end_of_a_run():
    """Snakemake waits a second for its own; this version must still have the method that is replaced."""
    assert hasattr(JobScheduler, "_schedule_reevalutation")
    jobs = threading.Semaphore(0)
    scheduler = SimpleNamespace(_open_jobs=jobs)
    before = set(threading.enumerate())
    _end_timers_with_run(scheduler)
    scheduler._schedule_reevalutation(0.01)
    assert all(thread.daemon for thread in set(threading.enumerate()) - before)
    assert jobs.acquire(timeout=10)  # the scheduler is woken nevertheless
