"""Dask workers that are SLURM jobs: submitted, tried, watched, replaced, and gone at the end.

`SLURMCluster.adapt` is not used: it is unreliable (dask-jobqueue issues 691, 701), and knows neither why a job ended
nor how long a volume takes.
"""

import itertools
import random
import re
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dask_jobqueue.slurm import SLURMCluster
from distributed import Client, Future, KilledWorker

from lightsheet.cluster.dispatch import WorkerLoss, free_slots
from lightsheet.cluster.jobqueue import Section, choose_lifetime, replace_jobs, revise_jobs, start_scheduler
from lightsheet.cluster.slurm import WAITING, NoAnswerError, SlurmJob, cancel_jobs, explain_end, list_jobs, recall_job
from lightsheet.deconvolution import count_slots, try_engine
from lightsheet.system import InputError, format_duration, format_size, logger

LOOK_SECONDS = (1.0, 60.0)
"""The queue is looked at so soon after something happened, and so often when nothing does."""

UNEXPLAINED_SECONDS = 60.0
"""A worker that does not answer, and of which SLURM does not say that it ended, is given up after this."""

INNOCENT = {"BOOT_FAIL", "CANCELLED", "NODE_FAIL", "PREEMPTED", "REVOKED"}
"""Ends of a job that its volume cannot have caused."""

PASSING = re.compile("timed out|unable to contact|temporarily|MaxSubmit|SubmitJob", re.IGNORECASE)
"""What sbatch says that is no reason to give up: a busy controller, or too many jobs in the queue."""

AT_ONCE = 20
"""Jobs submitted at a time: hundreds of sbatch at one moment would be a burden to the controller."""


@dataclass
class _Worker:
    """One job: from its submission to its end."""

    name: str
    job_id: str
    memory: int  # bytes asked for
    node: str = ""
    address: str | None = None  # since it has connected
    trial: Future[None] | None = None
    ready: bool = False
    volumes: int = 0
    leaves: float = float("inf")  # from then on (monotonic seconds) it gets no volume that it might not finish
    vanished: float | None = None
    dismissed: bool = False
    end: SlurmJob | None = None


@contextmanager
def start_slurm_workers(
    section: Section, number: int, name: str, folder: Path, memory: int, engine: str
) -> Iterator["SlurmWorkers"]:
    """Start a scheduler here and workers as SLURM jobs; no job is left at the end of the block.

    Parameters
    ----------
    section : jobqueue.Section
        What kind of jobs.
    number : int
        How many workers at most.
    name : str
        What the jobs are called; those that a killed coordinator of this name left are cancelled first.
    folder : Path
        For the jobs' logs.
    memory : int
        Bytes to ask for at first, unless the section says.
    engine : str
        What each worker is tried with before it gets a volume.
    """
    cancel_jobs(name)
    memory = section.memory or memory
    with start_scheduler(section, name, folder, memory) as cluster, Client(cluster) as client:
        pool = SlurmWorkers(client, cluster, section, number, name, folder, memory, engine)
        logger.info("up to %d workers, jobs %s of section %s; their logs are in %s", number, name, section.name, folder)
        logger.info("Dask dashboard at %s", cluster.dashboard_link)
        client.forward_logging(logger.name)
        try:
            yield pool
        finally:
            cancel_jobs(name)  # at once: who was asked to end has little time


class SlurmWorkers:
    """Workers of one coordinator; see `lightsheet.cluster.dispatch.WorkerPool`."""

    def __init__(
        self,
        client: Client,
        cluster: SLURMCluster,
        section: Section,
        number: int,
        name: str,
        folder: Path,
        memory: int,
        engine: str,
    ) -> None:
        self.client, self._cluster, self._section = client, cluster, section
        self._name, self._folder = name, folder
        self._number, self._memory, self._engine = number, memory, engine
        self._workers: dict[str, _Worker] = {}
        self._count = itertools.count()
        self._seconds = 0.0  # that the slowest volume took
        self._faults: list[str] = []  # why workers proved unfit
        self._waiting = ""  # why jobs are pending
        self._alone = time.monotonic()  # since when there has been no worker
        self._look_at, self._pause = 0.0, LOOK_SECONDS[0]
        self._refused_until = 0.0

    def here(self) -> set[str]:
        """Return the addresses of all workers that are connected."""
        return set(self._connected().values())

    def free(self, busy: Sequence[str]) -> list[str]:
        """Return workers that were tried and have memory and time for one more volume, the emptiest first."""
        here = self.here()
        fit = [w.address for w in self._living() if w.address and w.address in here and self._is_fit(w)]
        return free_slots(fit, count_slots(self._engine), busy)

    def took(self, address: str, seconds: float) -> None:
        """Learn how long a volume took."""
        self._seconds = max(self._seconds, seconds)
        self._at(address).volumes += 1

    def loss(self, address: str) -> WorkerLoss | None:
        """Say how the worker that was at `address` ended; None until SLURM knows."""
        worker = self._at(address)
        worker.vanished = worker.vanished or time.monotonic()
        self._hurry()
        if worker.end:
            return WorkerLoss(self._ending(worker), worker.end.state not in INNOCENT)
        if time.monotonic() - worker.vanished > UNEXPLAINED_SECONDS:
            self._let_go([worker])
            return WorkerLoss(f"job {worker.job_id} does not answer, though SLURM says that it runs", blamed=True)
        return None

    def tend(self, left: int, busy: Sequence[str]) -> None:
        """Look after the workers: meet new ones, dismiss, find out who ended, submit what is missing.

        Parameters
        ----------
        left : int
            Volumes that are not done.
        busy : sequence of str
            The worker's address of each volume in flight.

        Raises
        ------
        InputError
            If no worker is left or comes, with the reason.
        """
        self._meet()
        self._dismiss(left, busy)
        if time.monotonic() > self._look_at:
            self._look()
        missing = min(self._number, left) - sum(not worker.dismissed for worker in self._living())
        if missing > 0 and time.monotonic() > self._refused_until:
            self._submit(missing)
        self._check_patience()

    def _connected(self) -> dict[str, str]:
        """Return the address of each connected worker, by name; its scheduler lives in this process."""
        assert self._cluster.scheduler
        return {worker.name: worker.address for worker in list(self._cluster.scheduler.workers.values())}

    def _living(self) -> list[_Worker]:
        return [worker for worker in self._workers.values() if not worker.end]

    def _at(self, address: str) -> _Worker:
        """Return the latest worker at an address: a port may be used again."""
        return [worker for worker in self._workers.values() if worker.address == address][-1]

    def _is_fit(self, worker: _Worker) -> bool:
        """Tell whether a worker can take a volume; one that has done none may try whatever the time left."""
        late = worker.volumes > 0 and time.monotonic() + self._seconds > worker.leaves
        return worker.ready and not worker.dismissed and worker.memory == self._memory and not late

    def _meet(self) -> None:
        """Try each worker that connects, before it gets a volume: a node may lack its GPU, or half its software."""
        connected = self._connected()
        for worker in self._living():
            if worker.address is None and worker.name in connected:
                worker.address = connected[worker.name]
                worker.leaves = time.monotonic() + self._lifetime() * random.uniform(0.9, 1)
                worker.trial = self.client.submit(
                    try_engine, self._engine, pure=False, workers=[worker.address], allow_other_workers=False
                )
            elif worker.trial and worker.trial.done():
                self._judge(worker, worker.trial)
                worker.trial = None

    def _judge(self, worker: _Worker, trial: Future[None]) -> None:
        if trial.status == "finished":
            worker.ready = True
            logger.info("worker %s, job %s, is ready", worker.name, worker.job_id)
        elif not isinstance(trial.exception(), KilledWorker):
            self._number -= 1
            place = f" on {worker.node}" if worker.node else ""
            self._faults.append(f"job {worker.job_id}{place}: {trial.exception()}")
            logger.warning("a worker is not used, and not replaced: %s", self._faults[-1])
            self._let_go([worker])

    def _let_go(self, workers: Collection[_Worker]) -> None:
        """Have dask-jobqueue cancel the jobs of workers, and take their end for granted."""
        if going := [worker for worker in workers if not worker.dismissed]:
            for worker in going:
                worker.dismissed = True
            replace_jobs(self._cluster, leaving=[worker.name for worker in going])

    def _dismiss(self, left: int, busy: Sequence[str]) -> None:
        """Let go of idle workers: nearly at their walltime, short of memory, or of no more use."""
        idle = [w for w in self._living() if w.ready and not w.dismissed and w.address not in busy]
        surplus = len(idle) - (left - len(busy))
        unfit = [worker for worker in idle if not self._is_fit(worker)]
        self._let_go(unfit + [worker for worker in idle if worker not in unfit][: max(0, surplus - len(unfit))])

    def _look(self) -> None:
        """Ask SLURM about the jobs: which ended, and why others wait."""
        self._look_at = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, LOOK_SECONDS[1])
        try:
            jobs = {job.id: job for job in list_jobs(self._name)}
        except NoAnswerError as error:
            logger.warning("%s", error)
            return
        for worker in self._living():
            job = jobs.get(worker.job_id) or recall_job(worker.job_id)
            worker.node = job.node
            if job.is_over:
                self._bury(worker, job)
        reasons = sorted({job.reason for job in jobs.values() if job.state in WAITING})
        if reasons and ", ".join(reasons) != self._waiting:
            waiting = sum(job.state in WAITING for job in jobs.values())
            self._waiting = ", ".join(reasons)
            logger.info("%d worker job(s) wait in the queue; squeue's reason: %s", waiting, self._waiting)

    def _bury(self, worker: _Worker, job: SlurmJob) -> None:
        worker.end = job = explain_end(job, self._log(worker))
        self._hurry()
        replace_jobs(self._cluster, leaving=[worker.name])
        if worker.dismissed:
            return
        logger.warning("a worker ended: %s", self._ending(worker))
        if job.state == "OUT_OF_MEMORY" and worker.memory == self._memory:
            self._memory *= 2
            logger.warning(
                "its --mem was %s; workers get %s from now on", format_size(worker.memory), format_size(self._memory)
            )
        elif not worker.ready and job.state not in INNOCENT:
            self._number -= 1
            self._faults.append(f"{job.words}, before it could take a volume; log: {self._log(worker)}")

    def _submit(self, number: int) -> None:
        margin = self._section.walltime - self._lifetime()
        revise_jobs(self._cluster, self._section, self._memory, self._lifetime() + margin / 2, margin / 4)
        names = [f"worker-{next(self._count)}" for _ in range(min(number, AT_ONCE))]
        error = replace_jobs(self._cluster, arriving=names)
        self._hurry()
        jobs = {name: job.job_id for name in names if (job := self._cluster.workers.get(name)) and job.job_id}
        self._workers |= {name: _Worker(name, job_id, self._memory) for name, job_id in jobs.items()}
        if jobs:
            logger.info("%d worker job(s) submitted: %s", len(jobs), " ".join(jobs.values()))
        if error:
            replace_jobs(self._cluster, leaving=set(names) - set(jobs))
            self._refused(error)

    def _refused(self, error: str) -> None:
        """Try again later what SLURM may accept later; give up the rest if nobody works."""
        self._refused_until = time.monotonic() + LOOK_SECONDS[1]
        logger.warning("sbatch refused a worker: %s", error)
        if not PASSING.search(error) and not self._living():
            raise InputError(f"SLURM refuses the workers of section {self._section.name} of jobqueue.yaml: {error}")

    def _lifetime(self) -> float:
        return choose_lifetime(self._section.walltime, self._seconds)

    def _check_patience(self) -> None:
        if self._number <= 0:
            raise InputError("no worker is left; " + "; ".join(self._faults))
        if any(worker.address for worker in self._living()):
            self._alone = time.monotonic()
        elif time.monotonic() - self._alone > self._section.patience:
            why = f"squeue's reason: {self._waiting}" if self._waiting else "sbatch has accepted none"
            raise InputError(
                f"no worker of section {self._section.name} has come in {format_duration(self._section.patience)} "
                f"({why}); run the same command again later, or change the section's partition in jobqueue.yaml"
            )

    def _ending(self, worker: _Worker) -> str:
        assert worker.end
        return f"{worker.end.words}; log: {self._log(worker)}"

    def _log(self, worker: _Worker) -> Path:
        return self._folder / f"{self._name}-{worker.job_id}.err"

    def _hurry(self) -> None:
        """Look at the queue soon."""
        self._pause = LOOK_SECONDS[0]
        self._look_at = min(self._look_at, time.monotonic() + self._pause)
