"""A section of jobqueue.yaml, which says what kind of SLURM jobs Dask workers are. Planning reads it as well."""

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightsheet.cluster.slurm import JOBQUEUE, parse_walltime
from lightsheet.deconvolution import resolve_engine
from lightsheet.system import InputError

RESERVED = {"protocol", "security", "jupyter"}
"""Options of the scheduler by which anybody could have it run code; dask-jobqueue would let a section choose them."""

DEPRECATED = {"project"}
"""Keys that dask-jobqueue heeds still, though they are none of its defaults."""

PATIENCE = "wait-for-workers"

SCRIPTS = Path(__file__).parents[2]


@dataclass(frozen=True)
class Section:
    """The keys of a section that this workflow itself uses; dask-jobqueue reads the others."""

    name: str
    cores: int | None  # of a worker; None: what fits the nodes, see `fit_workers`
    gpu: bool  # whether its jobs ask for one
    memory: int | None  # bytes
    walltime: float  # seconds
    patience: float  # seconds to wait without any worker

    def choose_engine(self, setting: str) -> str:
        """Return the engine that a setting means on these workers; `auto` goes by whether they ask for a GPU."""
        return resolve_engine(("gpu" if self.gpu else "cpu") if setting == "auto" else setting)


def read_section(name: str) -> Section:
    """Read a section of jobqueue.yaml, and put it where dask-jobqueue looks for it.

    `InputError` says so if there is no such file or section, or a key cannot be used.
    """
    from dask import config  # imported here because runs without workers in SLURM's jobs need none of it
    from dask.utils import parse_bytes, parse_timedelta

    path = find_sections_file()
    if not path.is_file():
        raise InputError(f"{path} is not there: name your jobqueue.yaml in the environment variable {JOBQUEUE}")
    (content,) = config.collect_yaml([str(path)])
    sections = content.get("jobqueue") or {}
    if name not in sections:
        names = ", ".join(["local", *sections])
        raise InputError(f"resource dask_cluster: {path} has no section {name!r}; it may be one of {names}")
    defaults, section, ours = _read_defaults(), sections[name] or {}, content.get("lightsheet") or {}
    _refuse_unknown_keys(f"{path}, section {name}", section, {*defaults, *DEPRECATED})
    _refuse_unknown_keys(f"{path}, lightsheet", ours, {PATIENCE})
    keys = {**defaults, **section, "processes": 1, "log-directory": None}
    config.set({f"jobqueue.{name}": keys})
    walltime = keys["walltime"]
    try:
        if not isinstance(walltime, str):  # YAML reads 12:00:00 as the number 43200, which sbatch takes for minutes
            raise ValueError(f'walltime {walltime} must stand in quotes: "12:00:00"')
        if conflicts := RESERVED & {*keys["scheduler-options"]}:
            raise ValueError(f"scheduler-options may not hold {', '.join(sorted(conflicts))}: all connections have TLS")
        return Section(
            name,
            _read_cores(keys["job-cpu"] if keys["cores"] is None else keys["cores"]),
            any("gpu" in directive for directive in keys["job-extra-directives"]),
            parse_bytes(keys["memory"]) if keys["memory"] else None,
            parse_walltime(walltime),
            parse_timedelta(ours.get(PATIENCE, "12 h")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}, section {name}: {error}") from None


def _refuse_unknown_keys(place: str, keys: Any, allowed: set[str]) -> None:
    """Refuse keys that nobody heeds: jobs would get another partition or account than the file seems to say."""
    if not isinstance(keys, dict):
        raise InputError(f"{place}: {keys!r} must be keys with values")
    if unknown := [str(key) for key in keys if key not in allowed]:
        raise InputError(
            f"{place}: {', '.join(unknown)} is unknown; known here: {', '.join(sorted(allowed - DEPRECATED))}"
        )


def _read_cores(value: Any) -> int | None:
    if value is None:
        return None
    if (cores := int(value)) < 1:
        raise ValueError(f"cores {value!r} must be a number from 1, or null, which means as many as fit the nodes")
    return cores


def find_sections_file() -> Path:
    """Return the jobqueue.yaml in use, which may be missing."""
    path = os.environ.get(JOBQUEUE) or SCRIPTS.parent / "profiles" / "slurm" / "jobqueue.yaml"
    return Path(os.path.expanduser(path))  # noqa: PTH111 (which raises nothing where there is no such home)


def _read_defaults() -> dict[str, Any]:
    """Return dask-jobqueue's defaults for SLURM jobs; not by its import, which takes the time of a whole plan."""
    from dask import config

    package = importlib.util.find_spec("dask_jobqueue")
    assert package
    assert package.origin
    (defaults,) = config.collect_yaml([str(Path(package.origin).with_name("jobqueue.yaml"))])
    return {**defaults["jobqueue"]["slurm"], **(config.get("jobqueue.slurm", None) or {})}


def choose_lifetime(walltime: float, volume_seconds: float) -> float:
    """Return the seconds for which a worker takes volumes: its walltime less a tenth, or less one volume and a half.

    Parameters
    ----------
    walltime, volume_seconds : float, seconds that the worker has, and that a volume takes
    """
    return max(walltime - max(30.0, 0.1 * walltime, 1.5 * volume_seconds), 0.2 * walltime)
