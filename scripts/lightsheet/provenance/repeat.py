"""Repetition of somebody's run: the configuration that makes it again here, from its provenance and its raw files."""

import copy
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from lightsheet.provenance.reader import Crate
from lightsheet.provenance.software import UNKNOWN, list_differences, stamp_software
from lightsheet.store import REQUIREMENTS_FILE
from lightsheet.system import InputError

FOLDER_PLACEHOLDER = "repeated"
"""`output.folder` of a repetition, so that it never meets a run of the same name."""


def make_config(provenance: Crate, acquisition: Path) -> dict[str, Any]:
    """Return the configuration of a run as it can be repeated here.

    Parameters
    ----------
    provenance : Crate
        Of the run.
    acquisition : Path
        The folder of its raw files, here.

    Returns
    -------
    dict
        With paths that hold here, PSFs from the provenance, the engine that was used, and nothing waited for.

    Raises
    ------
    InputError
        If there is no such folder, or it lacks a raw file, or a PSF is missing or not the one that was used.
    """
    if not acquisition.is_dir():
        raise InputError(f"{acquisition}: there is no such folder; name the one with the raw files of the acquisition")
    names = dict.fromkeys(unquote(name) for row in provenance.rows for name in row["sources"].split())
    if absent := [name for name in names if not (acquisition / name).is_file()]:
        raise InputError(
            f"{acquisition} lacks {len(absent)} of the {len(names)} raw files that the provenance names, such as "
            f"{absent[0]}; name the folder that holds them"
        )
    repeated = copy.deepcopy(dict(provenance.config))
    repeated["input"] |= {"folder": str(acquisition.absolute()), "settle": 0}
    repeated["voxel_size"] |= {"override": True}  # it was held against the files' metadata, or was to override that
    repeated["psf"]["files"] = {channel: str(provenance.measured_psf(channel)) for channel in repeated["psf"]["files"]}
    repeated["deconvolution"]["engine"] = Counter(row["engine"] for row in provenance.rows).most_common(1)[0][0]
    repeated["output"]["folder"] = FOLDER_PLACEHOLDER
    return repeated


def list_remarks(provenance: Crate, repository: Path) -> list[str]:
    """Say what of this checkout and its environment is not as it was, and how to bring it there.

    Parameters
    ----------
    provenance : Crate
        Of the run.
    repository : Path
        The checkout of the workflow, here.

    Returns
    -------
    list of str
        A sentence for each difference; none if the same bits can be expected of the same kind of machine.
    """
    here = stamp_software(repository)
    found = list_differences(here, provenance.software)
    if here["code"] != provenance.software["code"]:
        found.append(_where(provenance.commit))
    if here | {"code": ""} != provenance.software | {"code": ""}:
        found.append(f"the packages that were installed: pip install -r {provenance.folder / REQUIREMENTS_FILE}")
    return found


def _where(commit: str) -> str:
    """Say where the code of a run is, from what `software.read_git_commit` said of it."""
    if commit == UNKNOWN:
        return "where the run's code is cannot be told: its checkout had no git history"
    digits, *changes = commit.split(maxsplit=1)
    remark = f", but for changes that were not committed ({commit})" if changes else ""
    return f"the run's code: git checkout {digits}{remark}"
