"""The voxel size to use: what the configuration says, compared with what a typical file and the settings say."""

import math
from collections.abc import Mapping

from lightsheet.sources.metadata import FileMetadata
from lightsheet.system import InputError

TOLERANCE = 0.02  # resolution tags are rounded, and settings files give nominal magnifications


def decide_voxel_size(
    config: Mapping[str, float] | None,
    file: FileMetadata | None,
    settings: FileMetadata | None,
    key: str = "voxel_size",
) -> dict[str, float]:
    """Decide on the voxel size: from the config, else from a typical file, else from the microscope's settings.

    Parameters
    ----------
    config : mapping or None, axes in micrometre, as far as known; compared with nothing if ``override`` is True in it
    file, settings : FileMetadata or None, from `read_metadata` and `read_lattice_settings`
    key : str, what the configuration calls it, for error messages

    Returns
    -------
    dict, `z`, `y`, `x` in micrometre

    Raises
    ------
    InputError
        If two of the sources differ by more than 2 %, an axis is unknown, or several values are possible.
    """
    sources = [source for source in (file, settings) if source]
    sizes = {axis: _decide_axis(axis, config or {}, sources, key) for axis in "zyx"}
    if unknown := [axis for axis, size in sizes.items() if size is None]:
        keys = ", ".join(f"{key}.{axis}" for axis in unknown)
        verb, pronoun = ("is", "it") if len(unknown) == 1 else ("are", "them")
        raise InputError(f"{keys} {verb} not known: the files do not tell {pronoun}; write {pronoun} in the config")
    return {axis: size for axis, size in sizes.items() if size is not None}


def _decide_axis(axis: str, config: Mapping[str, float], sources: list[FileMetadata], key: str) -> float | None:
    """Take the first that is known of an axis, and compare it with the others."""
    claims: list[tuple[str, tuple[float, ...]]] = []
    if axis in config:
        claims.append(("the config", (float(config[axis]),)))
    if not (claims and config.get("override")):
        for source in sources:
            if axis in source.voxel_size:
                claims.append((source.source, (source.voxel_size[axis],)))
            elif axis == "z" and source.z_choices:
                claims.append((source.source, source.z_choices))
    if not claims:
        return None
    (first, values), *rivals = claims
    if len(values) > 1:
        raise InputError(
            f"{key}.{axis} can be {_format_values(values)}, says {first}; if a stage moved at an angle and the images "
            "are as recorded, write input.scan: {kind: stage} in the config (see config/README.md); else, as of images "
            f"that were deskewed, write the one that holds as {key}.{axis}"
        )
    for rival, choices in rivals:
        if not any(math.isclose(values[0], choice, rel_tol=TOLERANCE) for choice in choices):
            remedy = "write the right one in the config and"
            if axis in config:
                remedy = "correct it there, or, if it is right,"
            raise InputError(
                f"{key}.{axis} is {_format_values(values)} in {first}, but {_format_values(choices)} in {rival}; "
                f"{remedy} add `override: true` to {key}"
            )
    return values[0]


def _format_values(values: tuple[float, ...]) -> str:
    return " or ".join(f"{value:.4g} um" for value in values)
