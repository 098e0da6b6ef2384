"""The fields that a microscope wrote into a file's name, read by a preset or a template, and the channel they name.

Like `discover`, it runs whenever the Snakefile is parsed: it imports nothing heavy.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from lightsheet.acquisition.presets import DEPTHS, PRESETS, Form, explain_other_format
from lightsheet.acquisition.templates import read_template
from lightsheet.system import InputError

Value = int | float | str | tuple[int, ...]
Fields = dict[str, Value]

_PROJECTIONS = ("MAX_", "MIP_")


def convert_number(text: str) -> int | str:
    """Read text of digits as a number, and leave other text as it is."""
    return int(text) if re.fullmatch(r"[0-9]+", text) else text


# The field that a group of a regular expression becomes, and how its text is read; other groups are whole numbers.
_READERS: dict[str, tuple[str, Callable[[str], Value]]] = {
    "prefix": ("prefix", str),
    "camera": ("camera", str),
    "channel": ("channel", convert_number),
    "filter": ("channel", str),
    "emission": ("channel", "Em{}".format),
    "wavelength": ("wavelength_nm", int),
    "view": ("view", convert_number),
    "angle": ("view", "ANG{}".format),
    "phase": ("view", "PH{}".format),
    "view_angle": ("view", "Angle{}".format),
    "illumination": ("view", "Illum{}".format),
    "position": ("position", convert_number),
    "label": ("position", str),
    "grid": ("position", int),
    "grid_number": ("position", int),
    "column": ("x", int),
    "row": ("y", int),
    "iter": ("iter", lambda text: tuple(map(int, text.split("_")))),
    "z_step_nm": ("z_step_um", lambda text: int(text) / 1000),
    "z_step_um": ("z_step_um", lambda text: float(text.replace("p", "."))),
}


def parse_name(name: str, pattern: str = "lattice") -> Fields:
    """Read the fields that a file name carries.

    Parameters
    ----------
    name : str
        The file's path relative to the input folder, with "/": its name alone where the pattern has no folders.
    pattern : str
        A preset (a key of `PRESETS`), or a template such as ``"CH{channel}_{timepoint}.tif"``, with the fields prefix,
        camera, channel, view, position, wavelength (nm), timepoint, plane, part, x, y, z (tile), milliseconds (since
        the first timepoint) and any (ignored text). A field that occurs twice must have the same text; ``{any}`` need
        not. No field reaches across a "/".

    Returns
    -------
    dict
        Only the fields that the name has: prefix, camera ("CamA"), channel (int, or str where it is no number), view
        (likewise: detection side, angle, illumination side), position (likewise: of the stage, without a place in a
        grid, or the grid's number), wavelength_nm, stack, iter (one or two int), timepoint_suffix (of ``_0000t``),
        timepoint, plane (the file is this one plane), part (the file continues an earlier one; 0, the first, stands in
        no name), milliseconds, milliseconds_absolute, x, y, z (tile), z_step_um.

    Raises
    ------
    InputError
        If the name does not fit: where the reading stopped, and what was expected, or which other format than TIFF it
        is; or if the pattern is neither a preset nor a template.
    """
    if pattern in PRESETS and name.startswith(_PROJECTIONS):
        raise InputError(f"{name}: looks derived, it begins with {name[:4]!r}; only the camera's own files are read")
    match = next(filter(None, (_compile_form(form).match(name) for form in compile_pattern(pattern))), None)
    if match is None:
        raise InputError(explain_other_format(name) or _explain_misfit(name, pattern))
    fields: Fields = {}
    for group, text in match.groupdict().items():
        if text is not None:
            field, read = _READERS.get(group, (group, int))
            # Angle and side of illumination, say, are one view.
            fields[field] = f"{fields[field]}_{read(text)}" if field in fields else read(text)
    return fields


def fits_pattern(name: str, pattern: str) -> bool:
    """Tell whether `parse_name` reads a name.

    Parameters
    ----------
    name, pattern : str, as for `parse_name`
    """
    try:
        parse_name(name, pattern)
    except InputError:
        return False
    return True


def would_fit(name: str, pattern: str) -> bool:
    """Tell whether a name fits a pattern but for its capitals."""
    return any(
        re.match("".join(part.regex for part in form), name, re.ASCII | re.DOTALL | re.IGNORECASE)
        for form in compile_pattern(pattern)
    )


def count_folders(pattern: str) -> int:
    """Count the folders between the input folder and the files whose names fit a pattern."""
    compile_pattern(pattern)  # refuses what is no pattern
    return DEPTHS.get(pattern, pattern.count("/"))


def suggest_preset(names: Sequence[str]) -> tuple[str, int]:
    """Find the preset that reads most of these names, the first of several, and how many it reads."""
    names = [name for name in names if not name.startswith(_PROJECTIONS)]
    counts = {
        preset: sum(any(_compile_form(form).match(name) for form in forms) for name in names)
        for preset, forms in PRESETS.items()
    }
    return max(counts.items(), key=lambda item: item[1])


def name_channel(fields: Fields) -> str:
    """Name a channel by all of view, camera, number and wavelength that its files carry, such as CamA_ch1_560nm.

    It is ch0 if they carry none, and fit for a folder: letters, digits, "." (not first) and "-", and "_" between parts.
    """
    view, camera, channel = fields.get("view"), fields.get("camera"), fields.get("channel")
    parts = [
        # Bare numbers would be hard to tell apart, and YAML would read such a key as a number.
        f"view{view}" if isinstance(view, int) else view,
        f"Cam{camera}" if str(camera).isdigit() else camera,
        f"ch{channel}" if isinstance(channel, int) else channel,
        f"{fields['wavelength_nm']}nm" if "wavelength_nm" in fields else None,
    ]
    return "_".join(re.sub(r"^\.|[^A-Za-z0-9.-]", "-", str(part)) for part in parts if part is not None) or "ch0"


def describe_channel(fields: Fields) -> str:
    """Write what tells a channel apart as its files have it; two channels may have one name."""
    values = (fields.get(field) for field in ("view", "camera", "channel", "wavelength_nm"))
    return ", ".join(repr(value) for value in values if value is not None)


@lru_cache
def compile_pattern(pattern: str) -> tuple[Form, ...]:
    """Turn a preset or a template into the forms that a name may have; the first that fits counts."""
    return PRESETS[pattern] if pattern in PRESETS else (read_template(pattern),)


@lru_cache
def _compile_form(parts: Form) -> re.Pattern[str]:
    return re.compile("".join(part.regex for part in parts), re.ASCII | re.DOTALL)


def _explain_misfit(name: str, pattern: str) -> str:
    """Say where the reading of a name stopped, in the form that came furthest."""
    forms = compile_pattern(pattern)
    starts = [(count, form) for form in forms for count in range(len(form))]
    matches = [(count, form, match) for count, form in starts if (match := _compile_form(form[:count]).match(name))]
    count, form, match = max(matches, key=lambda item: item[0])
    end = match.end()
    rest, expected = name[end:], form[count].expected
    if pattern in PRESETS and count == len(form) - 1 and (ending := re.search(form[count].regex, rest)):
        return f"{name}: looks derived or renamed, {rest[: ending.start()]!r} follows the camera's own name"
    if pattern not in PRESETS:
        expected = repr(expected) if expected else "the end of the name"
    place = f"after {name[:end]!r} at {rest!r}" if end else "at its beginning"
    return f"{name}: does not fit the pattern {pattern!r}: reading stopped {place}, expected {expected}"
