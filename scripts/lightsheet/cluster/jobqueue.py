"""Dask's scheduler, and the scripts of its workers' SLURM jobs as dask-jobqueue makes them."""

import asyncio
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dask
from dask_jobqueue.slurm import SLURMCluster, SLURMJob
from distributed import Scheduler, SchedulerPlugin
from distributed.core import Status
from distributed.security import Security

from lightsheet.cluster.privacy import DASHBOARD, choose_dashboard, create_key_files
from lightsheet.cluster.request import find_account
from lightsheet.cluster.section import SCRIPTS, Section
from lightsheet.cluster.slurm import OUTER_JOB, cancel_ids, read_job_id
from lightsheet.system import InputError, explain_missing_part, find_missing_parts

PARTS = ("worker_spec", "new_spec", "scheduler_info", "_correct_state", "sync")
"""What is used of Dask's cluster that no documentation promises."""

WORKER_CLASS = "lightsheet.cluster.worker_process.MortalWorker"

CLOSE_SECONDS = 20.0
"""Time for which the end of a scheduler may hold up the end of its coordinator."""

DISTRIBUTED_SERIES = "2026.8"  # the series of distributed


@contextmanager
def start_scheduler(section: Section, name: str, logs: Path, memory: int, cores: int) -> Iterator[SLURMCluster]:
    """Start a Dask scheduler in this process; its workers will be SLURM jobs called `name`, none is submitted yet.

    The folder `logs`, which all nodes see, gets the jobs' logs, and for the time of the block the TLS keys without
    which no process can talk to ours.
    """
    logs = logs.absolute()
    _refuse_unusable_paths(logs)
    with create_key_files(logs, name) as security:
        cluster = SLURMCluster(
            name="worker",
            config_name=section.name,
            job_name=name,
            job_cls=_Job,  # type: ignore[arg-type]
            cores=cores,
            memory=format_memory(memory),
            silence_logs="critical",  # `SlurmWorkers` logs how workers end
            nanny=False,  # a dead worker shall be a dead job, with a state that says why
            protocol="tls://",
            security=security,
            local_directory='"$scratch"',
            **_list_job_options(dask.config.get(f"jobqueue.{section.name}"), logs / name),
        )
        try:
            if missing := find_missing_parts(cluster, PARTS):
                raise InputError(explain_missing_part("distributed", f"SLURMCluster.{missing[0]}", DISTRIBUTED_SERIES))
            yield cluster
        finally:
            with suppress(TimeoutError):  # a busy controller may answer no scancel
                cluster.close(timeout=CLOSE_SECONDS)


def _list_job_options(settings: Mapping[str, Any], log: Path) -> dict[str, Any]:
    """Return the arguments of `SLURMCluster` that add to the settings of a section; `log` is how logs' names begin."""
    options = settings["scheduler-options"]
    return {
        "account": find_account(settings) or None,
        "python": settings["python"] or shlex.quote(sys.executable),
        "scheduler_options": {**options, "dashboard_address": choose_dashboard(options.get("dashboard_address"))},
        "job_script_prologue": [
            f'export PYTHONPATH={shlex.quote(str(SCRIPTS))}"${{PYTHONPATH:+:$PYTHONPATH}}"',
            *settings["job-script-prologue"],
            *_make_scratch(settings["local-directory"] or '"${TMPDIR:-/tmp}"'),
        ],
        "worker_extra_args": settings["worker-extra-args"],
        "job_extra_directives": [
            f"-o {_quote_pattern(log)}-%J.out",
            f"-e {_quote_pattern(log)}-%J.err",
            "--no-requeue",  # a worker would come back beside its replacement
            *settings["job-extra-directives"],
        ],
    }


def _make_scratch(place: str) -> list[str]:
    """Return the lines that make Dask a folder of its own: it imports modules from there. `place` is the shell's."""
    return [
        f"scratch=$(umask 077 && mkdir -p {place} && mktemp -d {place}/lightsheet-XXXXXXXX) || exit 1",
        """trap 'rm -rf -- "$scratch"' EXIT""",
    ]


def _quote_pattern(path: Path) -> str:
    """Write a path for an option of sbatch that would replace what follows a `%`."""
    return shlex.quote(str(path).replace("%", "%%"))


def _refuse_unusable_paths(logs: Path) -> None:
    """Refuse names that no quotes help."""
    for path in (logs, SCRIPTS, Path(sys.executable)):
        if os.fsencode(path) != str(path).encode(errors="replace"):
            raise InputError(f"{str(path)!r}: SLURM's workers cannot have a path that is not UTF-8; rename the folder")
    if {"\\", "\n", "\r"} & {*str(logs)}:
        raise InputError(
            f"{str(logs)!r}: SLURM's workers cannot have logs in a folder with a backslash or a line break in its name"
            "; rename it"
        )
    if os.pathsep in str(SCRIPTS):
        raise InputError(f"{SCRIPTS}: SLURM's workers cannot have code in a folder with a colon in its name; rename it")


def set_job_options(
    cluster: SLURMCluster, section: Section, memory: int, lifetime: float, stagger: float, slots: int = 1
) -> None:
    """Set what later jobs have: memory (bytes), seconds after which their workers leave, and volumes in their hands."""
    arguments = [
        *dask.config.get(f"jobqueue.{section.name}.worker-extra-args"),
        *("--lifetime", f"{lifetime:.0f}s", "--lifetime-stagger", f"{stagger:.0f}s"),
        *("--nthreads", str(slots)),  # instead of one for each core
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
    except (RuntimeError, ValueError, OSError) as error:  # no process can be started, no script be written
        return " ".join(re.findall("^sbatch: error: (.*)", str(error), re.MULTILINE)) or str(error)
    return ""


def tell_arrivals(cluster: SLURMCluster, function: Callable[[], None]) -> None:
    """Have a function called when a worker has connected, in the scheduler's thread."""

    class Arrivals(SchedulerPlugin):
        def add_worker(self, scheduler: Scheduler, worker: str) -> None:  # noqa: ARG002 (as Dask calls it)
            function()

    assert cluster.scheduler
    cluster.scheduler.add_plugin(Arrivals(), name="lightsheet-arrivals")


def close_workers(cluster: SLURMCluster, addresses: Iterable[str]) -> None:
    """Ask workers to end, without a wait: their jobs then end by themselves."""

    async def close() -> None:
        assert cluster.scheduler
        for address in addresses:
            cluster.scheduler.close_worker(address)

    cluster.sync(close)


def forget_jobs(cluster: SLURMCluster, names: Iterable[str]) -> None:
    """Keep dask-jobqueue from cancelling the jobs of some workers: they have ended, or others cancel them."""
    for name in names:
        if job := cluster.workers.get(name):
            job.job_id = None


def format_memory(count: int) -> str:
    """Return a number of bytes as dask-jobqueue reads it, rounded up to MiB."""
    return f"{-(-count // 2**20)}MiB"


class _Job(SLURMJob):
    """A job that inherits no option of the job that submits it, and whose id is read wherever sbatch prints it."""

    # SBATCH_* would silently override the script, SLURM_* describe another job; some say where SLURM is.
    submit_command = shlex.join(
        [
            "env",
            *(word for key in os.environ if re.match(f"SBATCH_|{OUTER_JOB}", key) for word in ("-u", key)),
            "sbatch",
        ]
    )

    def __init__(self, *arguments: Any, security: Security, worker_extra_args: Sequence[str], **options: Any) -> None:
        """Name the key files quoted, which dask-jobqueue would not do, and keep the worker from listening besides."""
        keys = security.get_tls_config_for_role("worker")
        words = ["--no-dashboard", *worker_extra_args, "--dashboard-address", DASHBOARD, "--worker-class", WORKER_CLASS]
        for kind in ("ca_file", "cert", "key"):
            words += [f"--tls-{kind.replace('_', '-')}", shlex.quote(keys[kind])]
        super().__init__(*arguments, worker_extra_args=words, **options)  # type: ignore[no-untyped-call]

    def _job_id_from_submit_output(self, output: str) -> str:
        if (number := read_job_id(output)) is None:
            raise ValueError(f"sbatch printed no number of a job, but: {' '.join(output.split())[-300:]}")
        return number

    @classmethod
    async def _close_job(cls, job_id: str | None, cancel_command: str) -> None:  # noqa: ARG003 (as dask-jobqueue calls it)
        """Cancel as all jobs are cancelled: again, if the controller says nothing."""
        if job_id:
            await asyncio.to_thread(cancel_ids, [job_id])

    async def start(self) -> None:
        """Submit; a refused job counts as ended, or the cluster could not be closed."""
        try:
            await super().start()  # type: ignore[no-untyped-call]
        except BaseException:
            self.status = Status.failed
            raise

    async def close(self) -> None:
        """Cancel; the job counts as ended then, which dask-jobqueue does not say, while anything still refers to it."""
        await super().close()  # type: ignore[no-untyped-call]
        self.status = Status.closed
