"""The Dask workers of one coordinator as SLURM jobs: submitted, tried, watched, replaced, and gone at the end.

`SLURMCluster.adapt` is not used: it is unreliable (dask-jobqueue issues 691, 701), and knows neither why a job ended
nor how long a volume takes.
"""

import itertools
import re
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from dask_jobqueue.slurm import SLURMCluster
from distributed import Client, KilledWorker

from lightsheet.cluster.dispatch import WorkerLoss, list_free_slots
from lightsheet.cluster.jobqueue import set_job_options, start_scheduler, update_jobs
from lightsheet.cluster.privacy import describe_dashboard
from lightsheet.cluster.queue_watch import PAUSE_SECONDS, QueueWatch
from lightsheet.cluster.section import Section, choose_lifetime
from lightsheet.cluster.slurm import SlurmJob, cancel_jobs, recall_job, recognise_memory_kill
from lightsheet.cluster.slurm_worker import EXTERNAL_ENDS, SlurmWorker
from lightsheet.cluster.workers import WorkerRequest
from lightsheet.deconvolution import count_slots
from lightsheet.system import InputError, format_duration, format_size, logger

TEMPORARY = re.compile("timed out|unable to contact|temporarily|MaxSubmit|SubmitJob", re.IGNORECASE)
"""What sbatch says that is no reason to give up: a busy controller, or too many jobs in the queue."""

REFILLS = 2  # so often in a row, for each worker, one that came to nothing before it was ready is replaced
SUBMIT_LIMIT = 20  # jobs at a time: hundreds of sbatch at one moment would be a burden to the controller


@contextmanager
def start_slurm_workers(section: Section, request: WorkerRequest, memory: int, engine: str) -> Iterator["SlurmWorkers"]:
    """Start a scheduler here, and workers as SLURM jobs; none is left at the end.

    The jobs ask for `memory` (bytes) at first, unless the section says.
    """
    number, name, logs = request.number, request.name, request.logs
    cancel_jobs(name)  # of a coordinator that was killed
    memory = section.memory or memory
    with start_scheduler(section, name, logs, memory) as cluster, Client(cluster) as client:
        logger.info("up to %d workers, jobs %s of section %s; their logs are in %s", number, name, section.name, logs)
        logger.info("%s", describe_dashboard(cluster))
        try:
            yield SlurmWorkers(client, cluster, section, request, number, memory, engine)
        finally:
            cancel_jobs(name)  # first of all: if SLURM is ending this job, it kills us soon


@dataclass
class SlurmWorkers:
    """A `WorkerPool` of SLURM jobs."""

    client: Client
    cluster: SLURMCluster
    section: Section
    request: WorkerRequest
    number: int  # workers at most; one less for each that proved unfit
    memory: int  # bytes that the next job asks for
    engine: str
    workers: list[SlurmWorker] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)  # why workers proved unfit
    volume_seconds: float = 0.0  # of the slowest volume
    failures: int = 0  # workers that came to nothing since the last one became ready
    last_contact: float = field(default_factory=time.monotonic)  # with any worker, monotonic seconds
    submit_time: float = 0.0  # before it, sbatch is not tried again
    count: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.queue = QueueWatch(self.request.name)

    def list_connected(self) -> set[str]:
        """Return the addresses of all workers that are connected."""
        return set(self._list_addresses().values())

    def list_free(self, busy: Sequence[str]) -> list[str]:
        """Return workers that were tried and have memory and time for one more volume, the emptiest first."""
        fit = {w.address for w in self._list_living() if w.address and self._is_fit(w)}
        return list_free_slots(sorted(fit & self.list_connected()), count_slots(self.engine), busy)

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
            self._release([worker])
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
        missing = min(self.number, volumes) - sum(not worker.is_released for worker in self._list_living())
        if missing > 0 and time.monotonic() > self.submit_time:
            self._submit(missing)
        self._refuse_endless_wait()

    def _list_addresses(self) -> dict[str, str]:
        """Return the address of each connected worker, by name; the scheduler lives in this process."""
        assert self.cluster.scheduler
        return {worker.name: worker.address for worker in list(self.cluster.scheduler.workers.values())}

    def _list_living(self) -> list[SlurmWorker]:
        return [worker for worker in self.workers if not worker.end]

    def _find_worker(self, address: str) -> SlurmWorker:
        """Return the latest worker at an address: a port may be used again."""
        return [worker for worker in self.workers if worker.address == address][-1]

    def _is_fit(self, worker: SlurmWorker) -> bool:
        """Tell whether a worker can take another volume."""
        has_memory = worker.memory == self.memory
        return worker.is_ready and not worker.is_released and has_memory and worker.has_time(self.volume_seconds)

    def _try_new_workers(self) -> None:
        addresses = self._list_addresses()
        lifetime = choose_lifetime(self.section.walltime, self.volume_seconds)
        for worker in self._list_living():
            if worker.address is None and worker.name in addresses:
                worker.start_trial(self.client, addresses[worker.name], self.engine, lifetime)
            elif worker.trial and worker.trial.done():
                if worker.trial.status == "finished":
                    worker.is_ready, self.failures = True, 0
                    logger.info("worker %s, job %s, is ready", worker.name, worker.job_id)
                elif not isinstance(error := worker.trial.exception(), KilledWorker):
                    self._reject(worker, error)
                worker.trial = None

    def _reject(self, worker: SlurmWorker, error: BaseException | None) -> None:
        """Do without a worker whose trial failed; another one would fail as well."""
        self._do_without(f"{worker.place}: {error}")
        logger.warning("a worker is not used, and not replaced: %s", self.faults[-1])
        self._release([worker])

    def _release(self, workers: Collection[SlurmWorker]) -> None:
        """Have dask-jobqueue cancel the jobs of workers; their end will be no news."""
        names = [worker.name for worker in workers if not worker.is_released]
        for worker in workers:
            worker.is_released = True
        if names:
            update_jobs(self.cluster, cancel=names)

    def _release_idle(self, volumes: int, busy: Sequence[str]) -> None:
        """Release idle workers that are nearly at their walltime, short of memory, or more than volumes are left."""
        idle = [w for w in self._list_living() if w.is_ready and not w.is_released and w.address not in busy]
        unfit = [worker for worker in idle if not self._is_fit(worker)]
        surplus = max(0, len(idle) - (volumes - len(busy)) - len(unfit))
        self._release(unfit + [worker for worker in idle if worker not in unfit][:surplus])

    def _query_slurm(self) -> None:
        """Ask SLURM about the jobs: which ended, and why others wait."""
        connected = self.list_connected()
        if (jobs := self.queue.ask()) is None:
            return
        for worker in self._list_living():
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
        for worker in self._list_living():
            if not worker.is_released and worker.find_hang(worker.address in connected):
                logger.warning("a worker is given up: %s; log: %s", worker.hang, worker.log)
                self._release([worker])
                if not worker.is_ready:
                    self._count_failure(worker.hang)

    def _count_failure(self, fault: str) -> None:
        """Count a worker that came to nothing; it is replaced, unless that happens again and again."""
        self.failures += 1
        if self.failures > REFILLS * self.request.number:
            self._do_without(fault)

    def _do_without(self, fault: str) -> None:
        self.number, self.faults = self.number - 1, [*self.faults, fault]

    def _judge_end(self, worker: SlurmWorker, job: SlurmJob) -> None:
        """Judge how a job ended: whether it is replaced, and with how much memory."""
        worker.end = recognise_memory_kill(job, worker.log)
        self.queue.ask_soon()
        update_jobs(self.cluster, cancel=[worker.name])
        if worker.is_released:
            return
        logger.warning("a worker ended: %s", worker.describe_end())
        if worker.end.state == "OUT_OF_MEMORY" and worker.memory == self.memory:
            self.memory *= 2
            sizes = format_size(worker.memory), format_size(self.memory)
            logger.warning("its --mem was %s; workers get %s from now on", *sizes)
        elif not worker.is_ready and worker.end.state == "UNKNOWN":  # which is no proof that it was unfit
            self._count_failure(worker.describe_end())
        elif not worker.is_ready and worker.end.state not in EXTERNAL_ENDS:
            self._do_without(f"{worker.end.words}, before it could take a volume; log: {worker.log}")

    def _submit(self, missing: int) -> None:
        lifetime = choose_lifetime(self.section.walltime, self.volume_seconds)
        margin = self.section.walltime - lifetime
        set_job_options(self.cluster, self.section, self.memory, lifetime + margin / 2, margin / 4)
        names = [f"worker-{next(self.count)}" for _ in range(min(missing, SUBMIT_LIMIT))]
        refusal = update_jobs(self.cluster, submit=names)
        jobs = {name: job.job_id for name in names if (job := self.cluster.workers.get(name)) and job.job_id}
        self.queue.ask_soon()
        for name, job_id in jobs.items():
            log = self.request.logs / f"{self.request.name}-{job_id}.err"
            self.workers.append(SlurmWorker(name, job_id, self.memory, log))
        if jobs:
            logger.info("%d worker job(s) submitted: %s", len(jobs), " ".join(jobs.values()))
        if refusal:
            update_jobs(self.cluster, cancel=set(names) - set(jobs))
            self.submit_time = time.monotonic() + PAUSE_SECONDS[1]
            logger.warning("sbatch refused a worker: %s", refusal)
            if not TEMPORARY.search(refusal) and not self._list_living():
                place = f"section {self.section.name} of jobqueue.yaml"
                raise InputError(f"SLURM refuses the workers of {place}: {refusal}")

    def _refuse_endless_wait(self) -> None:
        if self.number <= 0:
            raise InputError("no worker is left; " + "; ".join(self.faults))
        if any(worker.address for worker in self._list_living()):
            self.last_contact = time.monotonic()
        elif time.monotonic() - self.last_contact > self.section.patience:
            reason = f"squeue's reason: {self.queue.reason}" if self.queue.reason else "sbatch has accepted none"
            raise InputError(
                f"no worker of section {self.section.name} has come in {format_duration(self.section.patience)} "
                f"({reason}); run the same command again later, or change the section's partition in jobqueue.yaml"
            )
