"""A section of jobqueue.yaml, which says what kind of SLURM jobs Dask workers are. Planning reads it as well."""

import importlib.util
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightsheet.cluster.slurm import parse_walltime
from lightsheet.deconvolution import resolve_engine
from lightsheet.system import InputError

JOBQUEUE = "LIGHTSHEET_JOBQUEUE"
"""Environment variable by which a job finds the jobqueue.yaml of the profile in use."""

RESERVED = {"protocol", "security", "jupyter"}
"""Options of the scheduler by which anybody could have it run code; dask-jobqueue would let a section choose them."""

RENAMED = {
    "project": "account",
    "extra": "worker-extra-args",
    "env-extra": "job-script-prologue",
    "job-extra": "job-extra-directives",
    "header-skip": "job-directives-skip",
}
"""Old names of keys that dask-jobqueue heeds still where the new ones say nothing, as files of many sites have them."""

LISTS = ("worker-extra-args", "job-script-prologue", "job-extra-directives", "job-directives-skip")
"""Keys whose values are lists of text."""

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
    content = _read_file(path)
    sections = _read_mapping(f"{path}, jobqueue", content.get("jobqueue"))
    if name not in sections:
        names = ", ".join(["local", *sections])
        raise InputError(f"resource dask_cluster: {path} has no section {name!r}; it may be one of {names}")
    defaults = _read_defaults()
    section = _respell(_read_mapping(f"{path}, section {name}", sections[name]))
    workflow_keys = _read_mapping(f"{path}, lightsheet", content.get("lightsheet"))
    _refuse_unknown_keys(f"{path}, section {name}", section, {*defaults})
    _refuse_unknown_keys(f"{path}, lightsheet", workflow_keys, {PATIENCE})
    site = _respell(config.get("jobqueue.slurm", None) or {})
    try:
        keys = _read_values({**defaults, **site, **section})
        config.set({f"jobqueue.{name}": keys})
        return Section(
            name,
            keys["cores"] or keys["job-cpu"],
            any(re.search("gpu|^ *-G", directive) for directive in keys["job-extra-directives"]),
            _read_memory(parse_bytes(keys["memory"])) if keys["memory"] else None,
            _read_walltime(keys["walltime"]),
            parse_timedelta(workflow_keys.get(PATIENCE, "12 h")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}, section {name}: {error}") from None


def _read_values(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Return keys with values as dask-jobqueue takes them, and those that a section does not decide."""
    lines = {key: _read_lines(key, keys[key]) for key in LISTS}
    cores = {key: _read_cores(key, keys[key]) for key in ("cores", "job-cpu")}
    options = keys["scheduler-options"] or {}
    if conflicts := RESERVED & {*options}:
        raise ValueError(f"scheduler-options may not hold {', '.join(sorted(conflicts))}: all connections have TLS")
    constants = {"processes": 1, "log-directory": None, **dict.fromkeys(RENAMED)}
    return {**keys, **lines, **cores, "scheduler-options": options, **constants}


def _read_file(path: Path) -> dict[str, Any]:
    """Read a file as Dask does; an empty one has no keys."""
    from dask import config

    try:
        return next(config.collect_yaml([str(path)]), {})
    except ValueError as error:
        words = " ".join(str(error).split()).split("original error message: ")[-1]
        raise InputError(f"{path} cannot be read as YAML: {words}") from None


def _read_mapping(place: str, value: Any) -> dict[str, Any]:
    if value is not None and not isinstance(value, dict):
        raise InputError(f"{place}: {value!r} must be keys with values")
    return value or {}


def _respell(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Return keys under the names that dask-jobqueue documents: Dask takes `_` for `-`, and it old names for new.

    Where nothing stands between quotes, a person means null; dask-jobqueue would write an option without its value.
    """
    keys = {str(key).replace("_", "-"): None if value == "" else value for key, value in keys.items()}
    new_names = {new: keys[old] for old, new in RENAMED.items() if keys.get(old) and not keys.get(new)}
    return {key: value for key, value in keys.items() if key not in RENAMED} | new_names


def _refuse_unknown_keys(place: str, keys: Mapping[str, Any], allowed: set[str]) -> None:
    """Refuse keys that nobody heeds: jobs would get another partition or account than the file seems to say."""
    if unknown := [str(key) for key in keys if key not in allowed]:
        raise InputError(f"{place}: {', '.join(unknown)} is unknown; known here: {', '.join(sorted(allowed))}")


def _read_lines(key: str, value: Any) -> list[str]:
    """Return a list of text; a person may write a single line, or several in a block, without a list."""
    if isinstance(value, str):
        return value.splitlines()
    if not isinstance(value or [], list):
        raise ValueError(f"{key} {value!r} must be a list of lines")
    return [str(line) for line in value or []]


def _read_cores(key: str, value: Any) -> int | None:
    if value is None:
        return None
    if (cores := int(value)) < 1:
        raise ValueError(f"{key} {value!r} must be a number from 1, or null, which means as many as fit the nodes")
    return cores


def _read_memory(count: int) -> int:
    if count < 2**20:
        raise ValueError(f'memory is {count} bytes, too few for any volume: give it a unit, as "64GiB"')
    return count


def _read_walltime(value: Any) -> int:
    if not isinstance(value, str):  # YAML reads 12:00:00 as the number 43200, which sbatch takes for minutes
        raise ValueError(f'walltime {value} must stand in quotes: "12:00:00"')
    if not (seconds := parse_walltime(value)):
        raise ValueError(f"walltime {value!r} means none to SLURM: say how long a worker may take")
    return seconds


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
    return _respell(defaults["jobqueue"]["slurm"])


def choose_lifetime(walltime: float, volume_seconds: float) -> float:
    """Return the seconds for which a worker takes volumes: its walltime less a tenth, or less one volume and a half.

    Parameters
    ----------
    walltime, volume_seconds : float, seconds that the worker has, and that a volume takes
    """
    return max(walltime - max(30.0, 0.1 * walltime, 1.5 * volume_seconds), 0.2 * walltime)
