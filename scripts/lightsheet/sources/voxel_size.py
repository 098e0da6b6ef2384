"""The voxel size to use: what the configuration says, compared with what a typical file and the settings say."""

import math
from collections.abc import Mapping

from lightsheet.sources.metadata import FileMetadata
from lightsheet.system import InputError

TOLERANCE = 0.02  # resolution tags are rounded, and settings files give nominal magnifications


def decide_voxel_size(
    config: Mapping[str, float] | None, file: FileMetadata | None, settings: FileMetadata | None
) -> dict[str, float]:
    """Decide on the voxel size, and refuse what contradicts it.

    Parameters
    ----------
    config : mapping or None
        `voxel_size` of the configuration in micrometre. With ``override: true``, its axes are compared with nothing.
    file, settings : FileMetadata or None
        Of a typical file, which stands for all, and of a lattice light-sheet microscope's settings.

    Returns
    -------
    dict
        z, y, x in micrometre: from the config, else from the file, else from the settings.

    Raises
    ------
    InputError
        If two of them differ by more than 2 %, an axis is unknown, or several values are possible.
    """
    config = config or {}
    return {axis: _choose(axis, config, [source for source in (file, settings) if source]) for axis in "zyx"}


def _choose(axis: str, config: Mapping[str, float], sources: list[FileMetadata]) -> float:
    """Take the first that is known of an axis, and compare it with the others."""
    known: list[tuple[str, tuple[float, ...]]] = []
    if axis in config:
        known.append(("the config", (float(config[axis]),)))
    if not (known and config.get("override")):
        known += [(source.source, values) for source in sources if (values := _find_values(source, axis))]
    if not known:
        raise InputError(f"voxel_size.{axis} is not known: the files do not tell it; write it in the config")
    (first, values), *others = known
    if len(values) > 1:
        raise InputError(
            f"voxel_size.{axis} can be {_format_values(values)}, says {first}: the former as recorded, the latter if "
            "the planes are deskewed; write the one that holds in the config"
        )
    for other, choices in others:
        if not any(math.isclose(values[0], choice, rel_tol=TOLERANCE) for choice in choices):
            remedy = (
                "correct it there, or, if it is right," if axis in config else "write the right one in the config and"
            )
            raise InputError(
                f"voxel_size.{axis} is {_format_values(values)} in {first}, but {_format_values(choices)} in {other}; "
                f"{remedy} add `override: true` to voxel_size"
            )
    return values[0]


def _find_values(source: FileMetadata, axis: str) -> tuple[float, ...]:
    if axis in source.voxel_size:
        return (source.voxel_size[axis],)
    return source.z_choices if axis == "z" else ()


def _format_values(values: tuple[float, ...]) -> str:
    return " or ".join(f"{value:.4g} um" for value in values)
