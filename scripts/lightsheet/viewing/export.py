"""Copies chosen channels and timepoints of a finished run for tools that cannot read OME-Zarr 0.5."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lightsheet.provenance import read_volumes
from lightsheet.run import parse_timepoints
from lightsheet.store import PublishedImage, find_finished
from lightsheet.system import InputError, Progress, logger
from lightsheet.viewing.ome_tiff import choose_ome_type, write_ome_tiff
from lightsheet.viewing.ome_zarr import write_ome_zarr

FORMATS = ("ome-tiff", "ome-zarr-0.4")


def export_volumes(
    folder: Path,
    form: str,
    out: Path,
    kind: str = "result",
    channels: Sequence[str] | None = None,
    timepoints: str | None = None,
) -> list[Path]:
    """Write chosen volumes of a finished run in another format.

    Parameters
    ----------
    folder : Path, `results/NAME` of the run
    form : str, `ome-tiff`: one file (c, z, y, x) a timepoint; or `ome-zarr-0.4`: one folder (t, c, z, y, x)
    out : Path, the folder for the copy
    kind : str, `raw` or `result`
    channels : sequence of str, optional, in the order of the copy
    timepoints : str, optional, see `parse_timepoints`; those of which no chosen channel was recorded are left out

    Returns
    -------
    list of Path, the files or the folder

    Raises
    ------
    InputError
        If the run is not finished, has no such channel or timepoint, the format does not have the type of its voxels,
        or something of the same name exists.
    """
    image = read_volumes(find_finished(folder), kind)
    by_name = {channel.name: channel for channel in image.channels}
    if unknown := [name for name in channels or () if name not in by_name]:
        raise InputError(f"--channels: there is no channel {', '.join(unknown)}; the run has {', '.join(by_name)}")
    image = replace(image, channels=tuple(by_name[name] for name in dict.fromkeys(channels or by_name)))
    numbers = parse_timepoints(timepoints, len(image.timepoints)) if timepoints else image.timepoints
    present = _leave_out_holes(image, numbers)
    name = image.name if kind == "result" else f"{image.name}_raw"
    if form == "ome-tiff":
        if (dtype := choose_ome_type(image.dtype)) != image.dtype:
            logger.info("OME-TIFF has no %s: its values are written as %s, which holds them all", image.dtype, dtype)
        write, copies = write_ome_tiff, {out / f"{name}_t{t:04d}.ome.tif": [t] for t in present}
    else:
        write, copies = write_ome_zarr, {out / f"{name}.ome.zarr": present}
    if old_copies := [path for path in copies if path.exists()]:
        rest = f", and {len(old_copies) - 1} more" if old_copies[1:] else ""
        raise InputError(
            f"{old_copies[0]} is there already{rest}; remove what is no longer wanted, or name another folder with "
            "--out"
        )
    progress = Progress("exporting", len(present), "timepoint")
    for path, numbers in copies.items():
        try:
            write(path, image, numbers, progress)
        except InputError:
            raise
        except OSError as error:
            raise InputError(f"{path} cannot be written ({error})") from error
    return list(copies)


def _leave_out_holes(image: PublishedImage, timepoints: Sequence[int]) -> list[int]:
    """Leave out timepoints without any volume, and log them; log also which single volumes are empty."""
    holes = {t: [c.name for c in image.channels if (c.name, t) in image.missing] for t in timepoints}
    for timepoint, names in holes.items():
        if len(names) == len(image.channels):
            logger.warning("timepoint %d was not recorded: left out", timepoint)
        elif names:
            logger.warning("timepoint %d of %s was not recorded: it is empty", timepoint, ", ".join(names))
    timepoints_with_voxels = [timepoint for timepoint, names in holes.items() if len(names) < len(image.channels)]
    if not timepoints_with_voxels:
        raise InputError("--timepoints: none of them was recorded")
    return timepoints_with_voxels
