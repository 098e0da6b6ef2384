"""Dask's scheduler, and the scripts of its workers' SLURM jobs as dask-jobqueue makes them."""

import os
import re
import shlex
import shutil
from collections.abc import Iterable
from pathlib import Path

import dask
from dask_jobqueue.slurm import SLURMCluster, SLURMJob
from distributed.core import Status
from distributed.security import Security

from lightsheet.cluster.section import SCRIPTS, Section
from lightsheet.system import InputError


def start_scheduler(section: Section, name: str, folder: Path, memory: int) -> SLURMCluster:
    """Start a Dask scheduler in this process; its workers will be SLURM jobs called `name`, none is submitted yet.

    `folder`, which all nodes see, gets the jobs' logs, and the TLS keys without which no process can talk to ours.
    """
    if " " in str(folder):  # the job scripts of dask-jobqueue do not quote it
        raise InputError(
            f"{folder}: SLURM's workers cannot have their logs in a folder with a blank in its name; rename it"
        )
    keys = folder / ".keys" / name
    shutil.rmtree(keys, ignore_errors=True)  # of a coordinator that was killed
    keys.mkdir(parents=True, mode=0o700)
    settings = dask.config.get(f"jobqueue.{section.name}")
    return SLURMCluster(
        name="worker",
        config_name=section.name,
        job_name=name,
        job_cls=_Job,  # type: ignore[arg-type]
        memory=format_memory(memory),
        silence_logs="critical",  # `SlurmWorkers` logs how workers end
        nanny=False,  # a dead worker shall be a dead job, with a state that says why
        log_directory=str(folder),
        security=Security.temporary(),
        shared_temp_directory=str(keys),
        scheduler_options={"dashboard_address": ":0", **settings["scheduler-options"]},
        job_script_prologue=[
            f"export PYTHONPATH={shlex.quote(str(SCRIPTS))}${{PYTHONPATH:+:$PYTHONPATH}}",
            *settings["job-script-prologue"],
        ],
        # Requeued, a worker would come back beside its replacement.
        job_extra_directives=["--no-requeue", *settings["job-extra-directives"]],
    )


def set_job_options(cluster: SLURMCluster, section: Section, memory: int, lifetime: float, stagger: float) -> None:
    """Set the memory (bytes) of jobs that are submitted from now on, and after how many seconds their workers leave."""
    arguments = [
        *dask.config.get(f"jobqueue.{section.name}.worker-extra-args"),
        *("--lifetime", f"{lifetime:.0f}s", "--lifetime-stagger", f"{stagger:.0f}s"),
        # Dask's own limit would pause a worker for ever whose one volume takes more than its share.
        *("--memory-limit", "0"),
    ]
    options = {"memory": format_memory(memory), "worker_extra_args": arguments}
    cluster.new_spec = {**cluster.new_spec, "options": {**cluster.new_spec["options"], **options}}


def update_jobs(cluster: SLURMCluster, *, cancel: Iterable[str] = (), submit: Iterable[str] = ()) -> str:
    """Cancel the jobs of some workers, submit those of others, by name; return what sbatch said if it refused one."""

    async def correct() -> None:
        for name in cancel:
            cluster.worker_spec.pop(name, None)
        for name in submit:
            cluster.worker_spec[name] = cluster.new_spec
        await cluster._correct_state()

    try:
        cluster.sync(correct)
    except RuntimeError as error:
        return " ".join(re.findall("^sbatch: error: (.*)", str(error), re.MULTILINE)) or str(error)
    return ""


def format_memory(count: int) -> str:
    """Return a number of bytes as dask-jobqueue reads it, rounded up to MiB."""
    return f"{-(-count // 2**20)}MiB"


class _Job(SLURMJob):
    """A job that inherits no option of the job that submits it."""

    # SBATCH_* would silently override the script, SLURM_* describe another job; SLURM_CONF says where SLURM is.
    submit_command = " ".join(
        ["env", *(f"-u {key}" for key in os.environ if re.match("SBATCH_|SLURM_(?!CONF$)", key)), "sbatch"]
    )

    async def start(self) -> None:
        """Submit; a refused job counts as ended, or the cluster could not be closed."""
        try:
            await super().start()  # type: ignore[no-untyped-call]
        except RuntimeError:
            self.status = Status.failed
            raise
