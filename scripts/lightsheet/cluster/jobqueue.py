"""The SLURM jobs that Dask workers are, as jobqueue.yaml describes them and dask-jobqueue makes them."""

import os
import re
import shlex
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import dask
from dask.utils import parse_bytes, parse_timedelta
from dask_jobqueue.slurm import SLURMCluster, SLURMJob
from distributed.core import Status
from distributed.security import Security

from lightsheet.cluster.slurm import JOBQUEUE, parse_walltime
from lightsheet.system import InputError

SCRIPTS = Path(__file__).parents[2]
MIB = 2**20


@dataclass(frozen=True)
class Section:
    """What a section of jobqueue.yaml says that is ours to know; dask-jobqueue reads the rest.

    `gpu`: whether its jobs ask for one; `memory` in bytes, or None; `walltime` and `patience` (how long to wait without
    any worker) in seconds.
    """

    name: str
    cores: int
    gpu: bool
    memory: int | None
    walltime: float
    patience: float


def read_section(name: str) -> Section:
    """Read a section of jobqueue.yaml, and put it where dask-jobqueue looks for it.

    Parameters
    ----------
    name : str
        Of the section.

    Returns
    -------
    Section
        Checked.

    Raises
    ------
    InputError
        If there is no such file or section, or a key cannot be used.
    """
    path = Path(os.environ.get(JOBQUEUE) or SCRIPTS.parent / "profiles" / "slurm" / "jobqueue.yaml")
    if not path.is_file():
        raise InputError(f"{path} is not there: name your jobqueue.yaml in the environment variable {JOBQUEUE}")
    (found,) = dask.config.collect_yaml([str(path)])
    sections = found.get("jobqueue") or {}
    if name not in sections:
        known = ", ".join(["local", *sections])
        raise InputError(f"resource dask_cluster: {path} has no section {name!r}; it may be one of {known}")
    own = {**dask.config.get("jobqueue.slurm"), **sections[name], "processes": 1}
    dask.config.set({f"jobqueue.{name}": own})
    try:
        return Section(
            name,
            int(own["cores"]),
            any("gpu" in directive for directive in own["job-extra-directives"]),
            parse_bytes(own["memory"]) if own["memory"] else None,
            _walltime(own["walltime"]),
            parse_timedelta((found.get("lightsheet") or {}).get("wait-for-workers", "12 h")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}, section {name}: {error}") from None


def _walltime(given: str | int) -> int:
    """Return seconds; YAML takes 12:00:00 without quotes for the number 43200, which sbatch takes for minutes."""
    if not isinstance(given, str):
        raise ValueError(f'walltime {given} must stand in quotes: "12:00:00"')
    return parse_walltime(given)


def choose_lifetime(walltime: float, each: float) -> float:
    """Return the seconds for which a worker takes volumes: the walltime less a tenth, or one volume and a half.

    Parameters
    ----------
    walltime, each : float
        Seconds that the worker has, and that a volume takes.
    """
    return max(walltime - max(30.0, 0.1 * walltime, 1.5 * each), 0.2 * walltime)


def start_scheduler(asked: Section, name: str, folder: Path, memory: int) -> SLURMCluster:
    """Start a Dask scheduler here, whose workers will be SLURM jobs; none is submitted yet.

    Parameters
    ----------
    asked : Section
        Of jobqueue.yaml.
    name : str
        What the jobs are called.
    folder : Path
        Seen by all nodes, for the jobs' logs, and for the keys that let nobody else's process talk to ours.
    memory : int
        Bytes that a job asks for.

    Returns
    -------
    SLURMCluster
        To be closed.

    Raises
    ------
    InputError
        If `folder` has a blank in its name, which the scripts of dask-jobqueue cannot say.
    """
    if " " in str(folder):
        raise InputError(
            f"{folder}: SLURM's workers cannot have their logs in a folder with a blank in its name; rename it"
        )
    keys = folder / ".keys" / name
    shutil.rmtree(keys, ignore_errors=True)  # of a coordinator that was killed
    keys.mkdir(parents=True, mode=0o700)
    settings = dask.config.get(f"jobqueue.{asked.name}")
    return SLURMCluster(
        name="worker",
        config_name=asked.name,
        job_name=name,
        job_cls=_Job,  # type: ignore[arg-type]
        memory=format_memory(memory),
        silence_logs="critical",  # deaths of workers are told by `lightsheet.cluster.slurm_workers`
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


def revise_jobs(cluster: SLURMCluster, asked: Section, memory: int, lifetime: float, stagger: float) -> None:
    """Say what jobs that are submitted from now on get: memory (bytes), and seconds after which they leave."""
    given = dask.config.get(f"jobqueue.{asked.name}.worker-extra-args")
    lasting = ["--lifetime", f"{lifetime:.0f}s", "--lifetime-stagger", f"{stagger:.0f}s"]
    # No memory limit of Dask's: it would pause a worker for ever whose one volume takes more than its share.
    options = {"memory": format_memory(memory), "worker_extra_args": [*given, *lasting, "--memory-limit", "0"]}
    cluster.new_spec = {**cluster.new_spec, "options": {**cluster.new_spec["options"], **options}}


def replace_jobs(cluster: SLURMCluster, *, leaving: Iterable[str] = (), arriving: Iterable[str] = ()) -> str:
    """Cancel the jobs of some workers, and submit those of others.

    Parameters
    ----------
    cluster : SLURMCluster
        See `scheduler`.
    leaving, arriving : iterable of str
        Names of workers.

    Returns
    -------
    str
        What sbatch said if it refused; else nothing.
    """

    async def correct() -> None:
        for name in leaving:
            cluster.worker_spec.pop(name, None)
        for name in arriving:
            cluster.worker_spec[name] = cluster.new_spec
        await cluster._correct_state()

    try:
        cluster.sync(correct)
    except RuntimeError as error:
        said = [line for line in str(error).splitlines() if line.startswith("sbatch: error:")]
        return " ".join(line.removeprefix("sbatch: error: ") for line in said) or str(error)
    return ""


def format_memory(count: int) -> str:
    """Return a number of bytes as dask-jobqueue reads it, rounded up to MiB."""
    return f"{-(-count // MIB)}MiB"


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
