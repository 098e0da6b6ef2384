"""Copies of chosen channels and timepoints of a finished run, for tools that cannot read OME-Zarr 0.5."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lightsheet.store import PublishedImage, find_finished, read_image
from lightsheet.system import InputError, Progress, logger
from lightsheet.viewing.ome_tiff import write_ome_tiff
from lightsheet.viewing.ome_zarr import write_ome_zarr

FORMATS = ("ome-tiff", "ome-zarr-0.4")

Writer = Callable[[Path, PublishedImage, Sequence[int], Progress], None]


def export_volumes(
    folder: Path,
    form: str,
    out: Path,
    kind: str = "result",
    channels: Sequence[str] | None = None,
    timepoints: str | None = None,
) -> list[Path]:
    """Write chosen volumes in another format.

    Parameters
    ----------
    folder : Path
        `results/NAME` of a finished run.
    form : str
        `ome-tiff`: one file (c, z, y, x) a timepoint; or `ome-zarr-0.4`: one folder (t, c, z, y, x).
    out : Path
        Where to; made if need be.
    kind : str
        `raw` or `result`.
    channels : sequence of str, optional
        Their names, in the order wanted; all of them by default.
    timepoints : str, optional
        As `parse_timepoints` reads them; all of them by default.

    Returns
    -------
    list of Path
        What was written. Timepoints of which no chosen channel was recorded are left out.

    Raises
    ------
    InputError
        If the run is not finished, has no such channel or timepoint, or something of the same name is there.
    """
    image = _choose(read_image(find_finished(folder), kind), channels)
    asked = parse_timepoints(timepoints, len(image.timepoints)) if timepoints else image.timepoints
    chosen = _without_holes(image, asked)
    name = image.name if kind == "result" else f"{image.name}_raw"
    write: Writer
    if form == "ome-tiff":
        plan, write = {out / f"{name}_t{t:04d}.ome.tif": [t] for t in chosen}, write_ome_tiff
    else:
        plan, write = {out / f"{name}.ome.zarr": chosen}, write_ome_zarr
    _write(plan, image, write)
    return list(plan)


def _write(plan: Mapping[Path, Sequence[int]], image: PublishedImage, write: Writer) -> None:
    """Write all that is planned, unless something is in the way."""
    if found := [path for path in plan if path.exists()]:
        raise InputError(
            f"{found[0]} is there already{f', and {len(found) - 1} more' if found[1:] else ''}; remove what is no "
            "longer wanted, or name another folder with --out"
        )
    progress = Progress("exporting", sum(map(len, plan.values())), "timepoint")
    for path, timepoints in plan.items():
        try:
            write(path, image, timepoints, progress)
        except OSError as error:
            raise InputError(f"{path} cannot be written ({error})") from error


def _choose(image: PublishedImage, names: Sequence[str] | None) -> PublishedImage:
    """Return an image of some of the channels."""
    known = {channel.name: channel for channel in image.channels}
    if unknown := [name for name in names or () if name not in known]:
        raise InputError(f"--channels: there is no channel {', '.join(unknown)}; the run has {', '.join(known)}")
    return replace(image, channels=tuple(known[name] for name in dict.fromkeys(names or known)))


def parse_timepoints(text: str, count: int) -> list[int]:
    """Read a choice of timepoints.

    Parameters
    ----------
    text : str
        Numbers and ranges START:END or START:END:STEP, the end left out, separated by commas: `0:10:2,15`. START and
        END may be left out.
    count : int
        How many there are.

    Returns
    -------
    list of int
        In increasing order.

    Raises
    ------
    InputError
        If it cannot be read, or names a timepoint that there is not.
    """
    chosen: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)|(\d*):(\d*)(?::([1-9]\d*))?", part.strip())
        if not match:
            raise InputError(f"--timepoints: {part!r} is neither a number nor START:END or START:END:STEP")
        one, start, end, step = match.groups()
        asked = range(int(one), int(one) + 1) if one else range(int(start or 0), int(end or count), int(step or 1))
        if not asked or asked[-1] >= count:
            raise InputError(f"--timepoints: {part} is not among the timepoints 0 to {count - 1} of this run")
        chosen.update(asked)
    return sorted(chosen)


def _without_holes(image: PublishedImage, timepoints: Sequence[int]) -> list[int]:
    """Leave out timepoints without any volume, and say so; say which single volumes are empty."""
    holes = {t: [c.name for c in image.channels if (c.name, t) in image.missing] for t in timepoints}
    for timepoint, names in holes.items():
        if len(names) == len(image.channels):
            logger.warning("timepoint %d was not recorded: left out", timepoint)
        elif names:
            logger.warning("timepoint %d of %s was not recorded: it is empty", timepoint, ", ".join(names))
    kept = [timepoint for timepoint, names in holes.items() if len(names) < len(image.channels)]
    if not kept:
        raise InputError("--timepoints: none of them was recorded")
    return kept
