"""The Dask workers of one coordinator as SLURM jobs: submitted, tried, watched, replaced, and gone at the end.

`SLURMCluster.adapt` is not used: it is unreliable (dask-jobqueue issues 691, 701), and knows neither why a job ended
nor how long a volume takes.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from dask_jobqueue.slurm import SLURMCluster
from distributed import Client, KilledWorker

from lightsheet.cluster.dismissal import cancel_left, cancel_workers, dismiss_workers, end_workers, list_addresses
from lightsheet.cluster.headcount import Headcount
from lightsheet.cluster.jobqueue import forget_jobs, start_scheduler, tell_arrivals, update_jobs
from lightsheet.cluster.privacy import describe_dashboard
from lightsheet.cluster.queue_watch import QueueWatch
from lightsheet.cluster.section import Section, choose_lifetime
from lightsheet.cluster.slurm import SlurmJob, cancel_jobs, recall_job, recognise_memory_kill
from lightsheet.cluster.slurm_worker import EXTERNAL_ENDS, SlurmWorker
from lightsheet.cluster.staffing import count_missing, list_leaving, list_staying
from lightsheet.cluster.submission import Submission
from lightsheet.cluster.worker_pool import WorkerLoss, list_free_slots
from lightsheet.cluster.worker_request import WorkerRequest
from lightsheet.system import InputError, format_duration, format_size, logger

SUBMIT_LIMIT = 20
"""Jobs that are submitted at a time: hundreds of sbatch at one moment would be a burden to the controller."""


@contextmanager
def start_slurm_workers(section: Section, request: WorkerRequest, memory: int, engine: str) -> Iterator["SlurmWorkers"]:
    """Start a scheduler here, and workers as SLURM jobs; none is left at the end.

    The jobs ask for `memory` (bytes) at first, unless the section says.
    """
    name, logs = request.name, request.logs
    cancel_left(request)
    memory = section.memory or memory
    with start_scheduler(section, name, logs, memory, request.cores) as cluster, Client(cluster) as client:
        logger.info("the workers' jobs are called %s; their logs are in %s", name, logs)
        logger.info("%s", describe_dashboard(cluster))
        pool = SlurmWorkers(client, cluster, section, request, memory, engine)
        tell_arrivals(cluster, pool.news.set)
        try:
            yield pool
            end_workers(cluster, pool.list_living())
        except BaseException:  # first of all: if SLURM is ending this job, it kills us soon
            cancel_jobs(name)
            raise
        finally:
            forget_jobs(cluster, list(cluster.workers))


@dataclass
class SlurmWorkers:
    """A `WorkerPool` of SLURM jobs."""

    client: Client
    cluster: SLURMCluster
    section: Section
    request: WorkerRequest
    memory: int  # bytes that the next job asks for
    engine: str
    workers: list[SlurmWorker] = field(default_factory=list)
    volume_seconds: float = 0.0  # of the slowest volume
    last_contact: float = field(default_factory=time.monotonic)  # with any worker, monotonic seconds
    news: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        request = self.request
        self.queue = QueueWatch(request.results.queue, request.label, request.name)
        self.headcount = Headcount(request.number)
        self.submission = Submission(self.cluster, self.section, request)

    def list_connected(self) -> set[str]:
        """Return the addresses of all workers that are connected."""
        return set(list_addresses(self.cluster).values())

    def count_workers(self) -> tuple[int, int, str]:
        """Count those that are connected, and jobs that have no worker yet, with squeue's reason."""
        waiting = sum(worker.address is None and not worker.is_released for worker in self.list_living())
        return len(self.list_connected()), waiting, self.queue.reason or self.submission.refusal

    def list_free(self, busy: Sequence[str]) -> list[str]:
        """Return workers that were tried and have memory and time for one more volume, the emptiest first."""
        fit = {w.address for w in self.list_living() if w.address and self._is_fit(w)}
        return list_free_slots(sorted(fit & self.list_connected()), self.request.slots, busy)

    def record_duration(self, address: str, seconds: float) -> None:
        """Learn how long a volume took."""
        self.volume_seconds = max(self.volume_seconds, seconds)
        self._find_worker(address).volumes += 1

    def explain_loss(self, address: str) -> WorkerLoss | None:
        """Say how the worker that was at `address` ended; None until SLURM knows."""
        worker = self._find_worker(address)
        loss = worker.judge_loss()
        self.queue.ask_soon()
        if loss and not worker.end:
            cancel_workers(self.cluster, [worker])
        return loss

    def maintain(self, volumes: int, busy: Sequence[str]) -> None:
        """Try new workers, release idle ones, find out who ended or hangs, submit jobs for those that are missing.

        Raises
        ------
        InputError
            If no worker is left or comes, with the reason.
        """
        self._try_new_workers()
        self._release_idle(volumes, busy)
        if self.queue.is_due:
            self._query_slurm()
        self._give_up_hanging()
        living = self.list_living()
        missing = count_missing(living, self._is_fit, self.request.slots, volumes, busy)
        missing = min(missing, self.headcount.number - len(list_staying(living)))
        if missing > 0 and self.submission.is_due:
            self._submit(missing)
        self._refuse_endless_wait()

    def list_living(self) -> list[SlurmWorker]:
        """Return the workers whose jobs have not ended, as far as SLURM has said."""
        return [worker for worker in self.workers if not worker.end]

    def _find_worker(self, address: str) -> SlurmWorker:
        """Return the latest worker at an address: a port may be used again."""
        return [worker for worker in self.workers if worker.address == address][-1]

    def _is_fit(self, worker: SlurmWorker) -> bool:
        """Tell whether a worker can take another volume."""
        has_memory = worker.memory == self.memory
        return worker.is_ready and not worker.is_released and has_memory and worker.has_time(self.volume_seconds)

    def _try_new_workers(self) -> None:
        assert self.cluster.scheduler
        processes = {worker.name: worker for worker in list(self.cluster.scheduler.workers.values())}
        lifetime = choose_lifetime(self.section.walltime, self.volume_seconds)
        for worker in self.list_living():
            if worker.address is None and (process := processes.get(worker.name)):
                place = process.address, str(process.extra.get("node", ""))
                worker.start_trial(self.client, *place, self.engine, lifetime, self.news.set)
            elif worker.trial and worker.trial.done():
                if worker.trial.status == "finished":
                    worker.is_ready = True
                    self.headcount.count_ready()
                    logger.info("worker %s, job %s, is ready", worker.name, worker.job_id)
                elif not isinstance(error := worker.trial.exception(), KilledWorker):
                    self._reject(worker, error)
                worker.trial = None

    def _reject(self, worker: SlurmWorker, error: BaseException | None) -> None:
        """Do without a worker whose trial failed; another one would fail as well."""
        if not worker.node:
            self._query_slurm()
        self.headcount.do_without(worker, str(error), is_final=isinstance(error, InputError))
        dismiss_workers(self.cluster, [worker])
        self.queue.ask_soon()

    def _release_idle(self, volumes: int, busy: Sequence[str]) -> None:
        """Release idle workers that are nearly at their walltime, short of memory, or more than volumes are left."""
        if leaving := list_leaving(self.list_living(), self._is_fit, volumes, busy):
            dismiss_workers(self.cluster, leaving)
            self.queue.ask_soon()

    def _query_slurm(self) -> None:
        """Ask SLURM about the jobs: which ended, and why others wait."""
        connected = self.list_connected()
        if (queue := self.queue.ask()) is None:
            return
        jobs = {job.id: job for job in queue.jobs or ()}
        for worker in self.list_living():
            if worker.submit_time > queue.time and worker.job_id not in jobs:
                continue
            job = jobs.get(worker.job_id) or recall_job(worker.job_id)
            if job.state == "UNKNOWN" and worker.address in connected:
                continue  # it answers, so it lives
            if worker.note_job(job):
                self._judge_end(worker, job)
            elif worker.doubts:
                self.queue.ask_soon()

    def _give_up_hanging(self) -> None:
        """Release workers that have been of no use for too long though their jobs run, so that others replace them."""
        connected = self.list_connected()
        cancel_workers(self.cluster, [worker for worker in self.list_living() if worker.is_overdue])
        for worker in self.list_living():
            if not worker.is_released and worker.find_hang(worker.address in connected):
                logger.warning("a worker is given up: %s: %s; log: %s", worker.place, worker.hang, worker.log)
                cancel_workers(self.cluster, [worker])
                if not worker.is_ready:
                    self.headcount.count_failure(worker, worker.hang)

    def _judge_end(self, worker: SlurmWorker, job: SlurmJob) -> None:
        """Judge how a job ended: whether it is replaced, and with how much memory."""
        worker.end = recognise_memory_kill(job, worker.log)
        self.queue.ask_soon()
        forget_jobs(self.cluster, [worker.name])
        update_jobs(self.cluster, cancel=[worker.name])
        if worker.is_released:
            return
        logger.warning("a worker ended: %s", worker.describe_end())
        if worker.end.state == "OUT_OF_MEMORY" and worker.memory == self.memory:
            self.memory *= 2
            sizes = format_size(worker.memory), format_size(self.memory)
            logger.warning("its --mem was %s; workers get %s from now on", *sizes)
        elif not worker.is_ready and worker.end.state == "UNKNOWN":  # which is no proof that it was unfit
            self.headcount.count_failure(worker, worker.end.cause)
        elif not worker.is_ready and worker.end.state not in EXTERNAL_ENDS:
            self.headcount.do_without(worker, f"{worker.end.cause}, before it could take a volume")

    def _submit(self, missing: int) -> None:
        """Submit workers' jobs; at first a single one, so that sbatch need refuse no more than that."""
        limit = SUBMIT_LIMIT if self.workers and not self.submission.refusal else 1
        self.workers += self.submission.submit(min(missing, limit), self.memory, self.volume_seconds)
        self.queue.ask_soon()
        self.news.set()
        if self.submission.refusal:
            staying = list_staying(self.list_living())
            if self.submission.judge_refusal(bool(staying)):
                self.headcount.number = len(staying)

    def _refuse_endless_wait(self) -> None:
        self.headcount.refuse_none()
        if any(worker.address for worker in self.list_living()):
            self.last_contact = time.monotonic()
        elif time.monotonic() - self.last_contact > self.section.patience:
            reason = f"squeue's reason: {self.queue.reason}" if self.queue.reason else "sbatch has accepted none"
            raise InputError(
                f"no worker of section {self.section.name} has come in {format_duration(self.section.patience)} "
                f"({reason}); run the same command again later, or change the section's partition in jobqueue.yaml"
            )
