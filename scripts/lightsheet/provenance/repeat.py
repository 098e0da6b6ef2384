"""Repetition of somebody's run: the configuration that makes it again here, from its provenance and its raw files."""

import copy
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from lightsheet.processing import choose_timepoints
from lightsheet.provenance.reader import Crate
from lightsheet.provenance.software import UNKNOWN, list_differences, stamp_software
from lightsheet.provenance.volume_table import VolumeRow, find_number
from lightsheet.run import check_config
from lightsheet.store import CONFIG_FILE, REQUIREMENTS_FILE
from lightsheet.system import InputError

FOLDER_PLACEHOLDER = "repeated"
"""`output.folder` of a repetition, so that it never meets a run of the same name."""


def make_config(crate: Crate, acquisition: Path) -> dict[str, Any]:
    """Return the configuration by which a run can be repeated here.

    It has paths that hold here, PSFs from the provenance, the engine that was used, and no waiting for files to settle.

    Parameters
    ----------
    crate : Crate, from `read_crate`
    acquisition : Path, the folder of the run's raw files

    Raises
    ------
    InputError
        If a raw file or a PSF is missing, a PSF is not the one that was used, or this version has no such settings.
    """
    if not acquisition.is_dir():
        raise InputError(f"{acquisition}: there is no such folder; name the one with the raw files of the acquisition")
    names = dict.fromkeys(unquote(name) for row in crate.rows for name in row["sources"].split())
    if absent := [name for name in names if not (acquisition / name).exists()]:
        raise InputError(
            f"{acquisition} lacks {len(absent)} of the {len(names)} raw files that the provenance names, such as "
            f"{absent[0]}; name the folder that holds them"
        )
    config = copy.deepcopy(dict(crate.config))
    config["input"] |= {"folder": str(acquisition.absolute()), "settle": 0}
    config["voxel_size"] |= {"override": True}  # the run compared it with the files, or let it override them
    if "timepoints" in config["input"].get("select", {}):  # the acquisition may have grown
        config["input"]["select"]["timepoints"] = sorted({find_number(row) for row in crate.rows})
    config["psf"] = crate.psf_section
    channels = {row["channel"] for row in crate.rows}
    config["psf"]["files"] = {c: entry for c, entry in config["psf"]["files"].items() if c in channels}
    for channel, entry in config["psf"]["files"].items():
        image = str(crate.measured_psf(channel))
        config["psf"]["files"][channel] = image if isinstance(entry, str) else {**entry, "path": image}
    config["deconvolution"]["engine"] = Counter(row["engine"] for row in crate.rows).most_common(1)[0][0]
    config["output"]["folder"] = FOLDER_PLACEHOLDER
    try:
        config = check_config(config)
    except InputError as error:
        path = crate.folder / CONFIG_FILE
        raise InputError(f"{path} is not one that this version of the workflow can repeat:\n{error}") from error
    _fill_in_choices(config, crate.rows)
    return config


def _fill_in_choices(config: dict[str, Any], rows: Sequence[VolumeRow]) -> None:
    """Put the numbers that were used where auto would choose from other timepoints, as some were appended since.

    Iterations, scale and precision that differ between channels stay auto, as these keys take one number.
    """
    channels = [channel for channel in dict.fromkeys(row["channel"] for row in rows) if _has_grown(channel, rows)]
    row_settings = {row["channel"]: json.loads(row["settings"]) for row in rows if row["channel"] in channels}
    deconvolution, output = config["deconvolution"], config["output"]
    background = deconvolution["background"]
    if not isinstance(background, dict):
        background = dict.fromkeys((row["channel"] for row in rows), background)
    numbers = {c: settings["background"] for c, settings in row_settings.items() if background.get(c) == "auto"}
    if numbers:
        deconvolution["background"] = {**background, **numbers}
    for section, key in ((deconvolution, "iterations"), (output, "precision")):
        values = {settings.get(key) for settings in row_settings.values()}
        if section[key] == "auto" and len(values) == 1:
            section[key] = values.pop()
    _fill_in_scale(output, rows, bool(channels))


def _fill_in_scale(output: dict[str, Any], rows: Sequence[VolumeRow], has_grown: bool) -> None:
    """Likewise of the scale, and of the bits that were chosen with it; earlier versions kept all of these."""
    row_settings = [json.loads(row["settings"]) for row in rows]
    pairs = {(settings["scale"], settings.get("precision", "full")) for settings in row_settings}
    if output["scale"] == "auto" and len(pairs) == 1 and (has_grown or "precision" not in row_settings[0]):
        output["scale"], output["precision"] = pairs.pop()


def _has_grown(channel: str, rows: Sequence[VolumeRow]) -> bool:
    """Tell whether settings of a channel were chosen from other timepoints than they would be now."""
    present = [row for row in rows if row["channel"] == channel and not row["missing"]]
    sample = next((row["sampled"] for row in present if row.get("sampled")), "")
    timepoints = sorted(map(find_number, present))
    return sample not in ("", " ".join(str(t) for t in choose_timepoints(timepoints)))


def list_remarks(crate: Crate, repository: Path) -> list[str]:
    """Say what of this checkout and its environment is not as in a run, and how to bring it there.

    A sentence for each difference; none if the same bits can be expected of the same kind of machine.
    """
    software = stamp_software(repository)
    remarks = list_differences(software, crate.software)
    if software["code"] != crate.software["code"]:
        if crate.commit == UNKNOWN:
            remarks.append("where the run's code is cannot be told: its checkout had no git history")
        else:
            digits, *changes = crate.commit.split(maxsplit=1)
            remark = f", but for changes that were not committed ({crate.commit})" if changes else ""
            remarks.append(f"the run's code: git checkout {digits}{remark}")
    if software | {"code": ""} != crate.software | {"code": ""}:
        remarks.append(f"the packages that were installed: pip install -r {crate.folder / REQUIREMENTS_FILE}")
    return remarks
