"""The settings that a lattice light-sheet microscope writes beside its stacks."""

import logging
import math
import re
from pathlib import Path

from lightsheet.sources.metadata import MICROMETRES, FileMetadata, convert_positive
from lightsheet.system import escape_name

logger = logging.getLogger("lightsheet")

SAMPLE, STAGE, OBJECTIVE = "S (?:PZT|Piezo)", "X Stage", "XZ Stage"
"""The last moves the sample straight through the focal plane, the others at an angle. The sign of their steps is left
aside: which way the image moves depends on how stage and camera are mounted."""

STRAIGHT = 90
"""Degrees, at which planes do not move against each other."""


def read_lattice_settings(folder: Path) -> FileMetadata | None:
    """Read the settings, ``*Settings.txt``, that a lattice light-sheet microscope wrote into an acquisition's folder.

    `z_choices` has the distance between planes as the microscope moved and, where it moved the sample, also as it is
    after deskewing (the step times the sine of the angle between stage and light sheet); `stage` that step and that
    angle; `wavelengths` the lasers. The newer MOSAIC writes ``X Stage`` where it moved the sample so.
    None where there is no such file, or several say different things.
    """
    files = [_read_settings(path) for path in sorted(folder.glob("*Settings.txt")) if path.is_file()]
    if len({(settings.z_choices, *settings.stage.items()) for settings in files}) > 1:
        logger.debug("%s: its settings files contradict each other: %s", folder, files)
        return None
    return files[0] if files else None


def _name_part(motion: str, text: str) -> str:
    """Name what moves from plane to plane, as the lines begin that have its steps."""
    if "sample" in motion:
        return SAMPLE
    for part in (STAGE, OBJECTIVE):  # of the newer microscope MOSAIC
        if re.search(rf"^{part} Offset, Interval", text, re.MULTILINE | re.IGNORECASE):
            return part
    return "Z Galvo" if "galvo" in motion and "piezo" not in motion else "Z PZT"


def _read_settings(path: Path) -> FileMetadata:
    text = path.read_text(encoding="utf-8", errors="replace")
    match = re.search(r"^Z motion\s*:\s*(.*)$", text, re.MULTILINE)
    part = _name_part(match[1].lower() if match else "", text)
    steps = re.findall(rf"^{part} Offset, Interval.*:\s*\S+\s+(\S+)\s+\d+\s*$", text, re.MULTILINE | re.IGNORECASE)
    choices = {step for number in steps if (step := convert_positive(number, "um", MICROMETRES))}
    stage = {}
    if part in (SAMPLE, STAGE):
        stage = {"step": min(choices)} if len(choices) == 1 else {}
        angle = re.search(r"^Angle between stage and bessel beam \(deg\) = (-?[0-9.]+)\s*$", text, re.MULTILINE)
        if angle and 0 < abs(float(angle[1])) < STRAIGHT:
            stage["angle"] = abs(float(angle[1]))
            choices |= {step * math.sin(math.radians(stage["angle"])) for step in choices}
    lasers = re.findall(r"^Excitation Filter, Laser.*:\s*\S+\s+(\d+)\s", text, re.MULTILINE)
    return FileMetadata(
        escape_name(path.name),
        wavelengths=tuple(map(int, lasers)),
        z_choices=tuple(sorted(choices, reverse=True)),
        stage=stage,
    )
