"""The Dask workers that a job asks for: where they run, how many, and how large each is."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

from lightsheet.cluster.fit import MOST_CORES
from lightsheet.cluster.questions import ask_site
from lightsheet.cluster.request import request_this_job
from lightsheet.cluster.section import read_section
from lightsheet.cluster.slurm import label_jobs
from lightsheet.cluster.survey import fit_width
from lightsheet.cluster.width import Needs
from lightsheet.cluster.worker_number import (
    AUTO,
    choose_local_slots,
    choose_number,
    count_devices,
    limit_to_devices,
)
from lightsheet.deconvolution import resolve_engine
from lightsheet.store import Results
from lightsheet.system import find_memory_limit, logger


@dataclass(frozen=True)
class WorkerRequest:
    """The workers that a job asks for."""

    kind: str  # `local`: processes on this machine, in this job's own allocation; else a section of jobqueue.yaml
    number: int  # at most, or `AUTO`
    threads: int  # cores that workers on this machine share
    results: Results  # of the run; its folder is seen by all nodes
    block: str  # what they work on; no two coordinators may work on one at a time
    fitted_cores: int = 0  # of each SLURM job; 0: as the section of jobqueue.yaml says
    slots: int = 1  # volumes that each worker has in hand at a time
    volume_threads: int = 0  # for each volume; 0: all cores of the worker
    memory: int = 0  # bytes that each worker needs for them

    @property
    def label(self) -> str:
        """What the names of the run's SLURM jobs begin with."""
        return label_jobs(self.results.folder)

    @property
    def name(self) -> str:
        """The name of the workers' SLURM jobs."""
        return f"{self.label}-{self.block}"

    @property
    def logs(self) -> Path:
        """Folder for the workers' logs."""
        return self.results.folder / "logs" / "workers"

    @property
    def cores(self) -> int:
        """How many cores one worker has."""
        if self.kind == "local":
            return max(1, self.threads // max(1, self.number))
        return self.fitted_cores or read_section(self.kind).cores or MOST_CORES

    def choose_engine(self, setting: str) -> str:
        """Return the engine that an `engine` setting means on these workers, from which this machine may differ."""
        if setting == "auto" and self.kind != "local":
            return read_section(self.kind).choose_engine(setting)
        return resolve_engine(setting)


def fit_request(request: WorkerRequest, needs: Needs, volumes: int, engine: str) -> WorkerRequest:
    """Return a request for no more workers than there are volumes and room, and for as many cores as fit the nodes.

    On this machine `choose_number` says how many, where that is left open; each has one volume at a time, or with a GPU
    as many as keep it busy. SLURM is asked, if workers are its jobs: of what the whole cluster has, as the jobs of
    others end, but cores that are idle now say how large a worker is. One worker is always left: its reason to wait is
    squeue's to tell.

    Parameters
    ----------
    request : WorkerRequest, of the coordinator that runs in this process
    needs : Needs, of a volume
    volumes : int, to be done
    engine : str, what they compute with
    """
    number = min(request.number, volumes)
    if request.kind == "local":
        if request.number == AUTO:
            number = choose_number(request.threads, volumes, needs, find_memory_limit(), count_devices(engine))
        number = max(1, min(limit_to_devices(number, engine), request.threads))
        request = replace(request, number=number)
        slots = choose_local_slots(needs, request.cores, volumes, number, find_memory_limit())
        return _set_slots(request, needs, slots)
    section = read_section(request.kind)
    width = fit_width(section, needs, volumes, ask_site(), request_this_job(), number, is_seated=True)
    number = int(max(1, min(number, width.workers, math.ceil(volumes / width.slots))))
    logger.info(
        "up to %d workers of %d cores each, of section %s; each has %d volume(s) in hand",
        *(number, width.cores, section.name, width.slots),
    )
    request = replace(request, number=number, fitted_cores=width.cores)
    return _set_slots(request, needs, width.slots)


def _set_slots(request: WorkerRequest, needs: Needs, slots: int) -> WorkerRequest:
    threads, memory = needs.choose_threads(request.cores, slots), needs.count_bytes(slots)
    return replace(request, slots=slots, volume_threads=threads, memory=memory)
