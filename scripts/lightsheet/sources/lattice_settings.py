"""The settings that a lattice light-sheet microscope writes beside its stacks."""

import logging
import math
import re
from pathlib import Path

from lightsheet.sources.metadata import MICROMETRES, FileMetadata, convert_positive
from lightsheet.system import escape_name

logger = logging.getLogger("lightsheet")


def read_lattice_settings(folder: Path) -> FileMetadata | None:
    """Read the settings, ``*Settings.txt``, that a lattice light-sheet microscope wrote into an acquisition's folder.

    `z_choices` has the distance between planes as the microscope moved and, where it moved the sample, also as it is
    after deskewing (the step times the sine of the angle between stage and light sheet); `stage` that step and that
    angle; `wavelengths` the lasers.
    None where there is no such file, or several say different things.
    """
    files = [_read_settings(path) for path in sorted(folder.glob("*Settings.txt")) if path.is_file()]
    if len({(settings.z_choices, *settings.stage.items()) for settings in files}) > 1:
        logger.debug("%s: its settings files contradict each other: %s", folder, files)
        return None
    return files[0] if files else None


def _read_settings(path: Path) -> FileMetadata:
    text = path.read_text(encoding="utf-8", errors="replace")
    match = re.search(r"^Z motion\s*:\s*(.*)$", text, re.MULTILINE)
    motion = match[1].lower() if match else ""
    part = "Z Galvo" if "galvo" in motion and "piezo" not in motion else "Z PZT"  # what moves from plane to plane
    if "sample" in motion:
        part = "S PZT"
    steps = re.findall(rf"^{part} Offset, Interval.*:\s*\S+\s+(\S+)\s+\d+\s*$", text, re.MULTILINE)
    choices = {step for number in steps if (step := convert_positive(number, "um", MICROMETRES))}
    angle = re.search(r"^Angle between stage and bessel beam \(deg\) = (-?[0-9.]+)\s*$", text, re.MULTILINE)
    stage = {"step": min(choices)} if part == "S PZT" and len(choices) == 1 else {}
    if part == "S PZT" and angle and (sine := abs(math.sin(math.radians(float(angle[1]))))) > 0:
        choices |= {step * sine for step in choices}
        stage["angle"] = abs(float(angle[1]))
    lasers = re.findall(r"^Excitation Filter, Laser.*:\s*\S+\s+(\d+)\s", text, re.MULTILINE)
    return FileMetadata(
        escape_name(path.name),
        wavelengths=tuple(map(int, lasers)),
        z_choices=tuple(sorted(choices, reverse=True)),
        stage=stage,
    )
