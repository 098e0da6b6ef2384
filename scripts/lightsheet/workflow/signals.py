"""Snakemake's answer to SIGTERM."""

from threading import Thread
from typing import Any

from snakemake.scheduling.job_scheduler import JobScheduler  # type: ignore[import-untyped]


def answer_signals_aside() -> None:
    """Let Snakemake, also in SLURM's jobs, answer SIGTERM in a thread of its own.

    Its handler takes a lock that the main thread, which it interrupts, may hold, most likely when a job fails because
    SIGTERM has reached that as well: the process would stay for ever.
    """
    answer = JobScheduler.exit_gracefully

    def answer_aside(scheduler: Any, *arguments: Any) -> None:
        Thread(target=answer, args=(scheduler, *arguments), daemon=True).start()

    JobScheduler.exit_gracefully = answer_aside
