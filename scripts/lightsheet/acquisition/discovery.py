"""From file names to volumes: which files are which channel, timepoint and tile.

`discover` runs whenever the Snakefile is parsed, so it lists folders and at most looks at the sizes and times of files:
it opens none, and nothing heavy is imported. `open` does both.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path

from lightsheet.acquisition.gaps import check_timepoints, list_sites, refuse_partial_volumes
from lightsheet.acquisition.listing import Reasons, list_tiffs, make_natural_key, read_names
from lightsheet.acquisition.model import Acquisition, Piece, Position, Tile, Volume
from lightsheet.acquisition.seconds import find_seconds
from lightsheet.acquisition.settling import find_waiting
from lightsheet.acquisition.time_axis import NamedFile, Site, find_varying_counters, group_volumes


def discover(
    folder: Path | str,
    pattern: str = "lattice",
    ignore: Sequence[str] = (),
    *,
    missing: str = "error",
    settle: float = 0,
    before: Collection[str] = (),
    names: Sequence[str] | None = None,
) -> Acquisition:
    """Find the volumes of a folder.

    Parameters
    ----------
    folder : Path or str
        Listed with as many subfolders inside one another as the pattern has.
    pattern : str
        A preset or a template, as for `parse_name`.
    ignore : sequence of str
        Names to leave out, such as ``"*_decon.tif"`` (see `fnmatch`).
    missing : str
        "error", or "fill": a timepoint that a channel lacks becomes a volume without tiles.
    settle : float
        Seconds, above 0 while a microscope still writes: files modified later, and with them the timepoints from
        theirs on, are left for the next run, and so are the last timepoints if something of them has yet to come.
    before : collection of str
        `Acquisition.names_seen` of an earlier run, from which settling takes nothing away: where a file modified later
        is for a hole among its timepoints, only that volume is left for the next run.
    names : sequence of str, optional
        The folder's TIFFs, as `Acquisition.names_seen` gave them: the disk is not looked at.

    Returns
    -------
    Acquisition
        Complete but for its holes: every channel has every timepoint, and every volume all of its tiles, each of
        one file, or of one per plane or part. The time axis is the number that varies among the files of one
        channel and tile and tells them apart: a template's timepoint, stackNNNN, NNNNt, Iter, or several of them
        together; where no number varies, the order in time.

    Raises
    ------
    InputError
        If there is no such folder, nothing in it fits or has settled, a file of the earlier run would be left, the
        files are of several stage positions without a place in a grid, a timepoint, a tile or a plane is missing, or
        two files are one volume.
    """
    folder = Path(folder)
    found = list_tiffs(folder, pattern) if names is None else names
    files, left_out = read_names(folder, found, pattern, ignore)
    waiting = {}
    if settle and names is None:
        waiting = find_waiting(folder, files, settle, frozenset(before))
    files = [file for file in files if file.name not in waiting]
    return _arrange(folder, files, missing, left_out, tuple(waiting.items()))


def _arrange(
    folder: Path,
    files: list[NamedFile],
    missing: str,
    left_out: Reasons,
    waiting: Reasons,
) -> Acquisition:
    volumes = group_volumes(folder, files)
    wavelengths = {file.channel: file.wavelength for file in files}
    channels = tuple(sorted(wavelengths, key=make_natural_key))
    numbers, holes = check_timepoints(folder, volumes, channels, missing)
    refuse_partial_volumes(folder, volumes)
    seconds, since_start, irregular = find_seconds(volumes, numbers)
    sites = list_sites(files)
    ranks = [{value: rank for rank, value in enumerate(values)} for values in sites[:3]]
    return Acquisition(
        folder=folder,
        channels=channels,
        wavelengths={channel: wavelengths[channel] for channel in channels},
        timepoints=len(numbers),
        grid=(len(sites[0]), len(sites[1]), len(sites[2])),
        seconds=seconds,
        volumes=tuple(
            Volume(
                channel,
                timepoint,
                since_start.get((number, channel)),
                _tiles(folder, volumes.get((number, channel), {}), ranks),
            )
            for timepoint, number in enumerate(numbers)
            for channel in channels
        ),
        left_out=left_out,
        remarks=(*_remarks_on_names(files, len(numbers)), *holes, *irregular),
        waiting=waiting,
    )


def _tiles(folder: Path, files: dict[Site, NamedFile], ranks: list[dict[int, int]]) -> tuple[Tile, ...]:
    pieces: dict[Position, list[Piece]] = defaultdict(list)
    for z, y, x, number in sorted(files):
        pieces[ranks[0][z], ranks[1][y], ranks[2][x]].append(Piece(folder / files[z, y, x, number].name))
    return tuple(Tile(position, tuple(stack)) for position, stack in pieces.items())


def _remarks_on_names(files: list[NamedFile], timepoints: int) -> list[str]:
    remarks = []
    if len(prefixes := sorted({file.prefix for file in files}, key=make_natural_key)) > 1:
        remarks.append(f"The file names begin in {len(prefixes)} ways: {', '.join(map(repr, prefixes[:3]))}.")
    if timepoints > 1 and not find_varying_counters(files):
        remarks.append("Only the times in the names tell the timepoints apart.")
    return remarks
