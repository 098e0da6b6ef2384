"""From file names to volumes: which files are which channel, timepoint and tile.

`discover` runs whenever the Snakefile is parsed, so it only lists folders and looks at sizes and times of files,
and this module imports nothing heavy. `lazy.open` opens the files.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lightsheet.acquisition.gaps import check_missing_timepoints, find_unfinished
from lightsheet.acquisition.listing import Reasons, list_tiffs, make_natural_key, read_names
from lightsheet.acquisition.model import Acquisition, Piece, Position, Tile, Volume
from lightsheet.acquisition.partial_volumes import refuse_partial_volumes
from lightsheet.acquisition.seconds import find_times
from lightsheet.acquisition.settling import count_reasons, find_waiting_files
from lightsheet.acquisition.store_listing import ITSELF, describe_own_store, find_young_stores, list_stores
from lightsheet.acquisition.time_axis import Site, SourceFile, find_varying_counters, group_volumes, list_sites
from lightsheet.system import InputError


def discover(
    folder: Path | str,
    pattern: str = "lattice",
    ignore: Sequence[str] = (),
    *,
    missing: str = "error",
    settle: float = 0,
    previous_names: Collection[str] = (),
    names: Sequence[str] | None = None,
) -> Acquisition:
    """Find the volumes of a folder.

    Parameters
    ----------
    folder : Path or str
        Listed with its subfolders, as deep as the pattern has folders.
    pattern : str
        A preset or a template, as for `parse_name`.
    ignore : sequence of str
        Names to leave out, such as ``"*_decon.tif"`` (see `fnmatch`).
    missing : str
        "error", or "fill": a timepoint that a channel lacks becomes a volume without tiles, a hole.
    settle : float
        Seconds for which a finished file has not been modified; above 0 while a microscope still writes. Younger
        files, all timepoints from theirs on, and incomplete last timepoints are left for the next run.
    previous_names : collection of str
        `Acquisition.tiff_names` of an earlier run, none of which is left for the next run. Where a young file fills a
        hole among its timepoints, only that volume is left.
    names : sequence of str, optional
        The folder's TIFFs, as `Acquisition.tiff_names` gave them: the disk is not looked at.

    Returns
    -------
    Acquisition
        Every channel has every timepoint, and every volume but the holes all of its tiles, each of one file, or of one
        per plane or part. The time axis is the number that tells the files of one channel and tile apart: a template's
        timepoint, stackNNNN, NNNNt, Iter, or several of them together, or else the order in time.

    Raises
    ------
    InputError
        If there is no such folder, nothing in it fits or has settled, a file of the earlier run would be left, there
        are several stage positions without a place in a grid, a timepoint, a tile or a plane is missing, or two files
        are one volume.
    """
    folder = Path(folder)
    if (stores := list_stores(folder, pattern, names)) is not None:
        young = find_young_stores(folder, stores, settle, previous_names) if settle and names is None else None
        return _discover_stores(folder, stores, pattern, ignore, missing, young, frozenset(previous_names))
    tiffs = list_tiffs(folder, pattern, ignore, is_growing=settle > 0) if names is None else names
    files, excluded = read_names(folder, tiffs, pattern, ignore)
    waiting = {}
    if settle and names is None:
        waiting = find_waiting_files(folder, files, settle, frozenset(previous_names))
    files = [file for file in files if file.name not in waiting]
    return _arrange(folder, files, missing, excluded, tuple(waiting.items()))


def _discover_stores(
    folder: Path,
    stores: Sequence[str],
    pattern: str,
    ignore: Sequence[str],
    missing: str,
    young: Mapping[str, str] | None,
    previous: frozenset[str],
) -> Acquisition:
    """Find what stores are by their names: each of them is taken for one volume here, see `unfold_stores`.

    Where the folder grows, timepoints from the first on that has a `young` store wait, as with TIFFs.
    """
    files, excluded = [describe_own_store()], Reasons()
    if ITSELF not in stores:
        files, excluded = read_names(folder, stores, pattern, ignore, "Zarr stores")
    waiting: dict[str, str] = {}
    if young is not None and ITSELF not in stores:
        unfinished = find_unfinished(group_volumes(folder, files), {*young}, previous)
        waiting = {name: young.get(name, "of a timepoint that is not complete") for name in sorted(unfinished)}
    if losses := [name for name in waiting if name in previous]:
        raise InputError(
            f"{folder}: an earlier run had read {losses[0]}, of a timepoint that is no longer complete; run again when "
            "it is, or set input.settle to 0 to see what is missing"
        )
    files = [file for file in files if file.name not in waiting]
    if not files:
        raise InputError(f"{folder}: no store is whole yet ({count_reasons(waiting.values())}); run again later")
    names = (*(file.name for file in files), *(name for name, _ in excluded))
    return replace(_arrange(folder, files, missing, excluded, tuple(waiting.items())), stores=names)


def _arrange(folder: Path, files: list[SourceFile], missing: str, excluded: Reasons, waiting: Reasons) -> Acquisition:
    """Put the files in order of time, channel and tile."""
    groups = group_volumes(folder, files)
    wavelengths = {file.channel: file.wavelength for file in files}
    channels = tuple(sorted(wavelengths, key=make_natural_key))
    numbers, holes = check_missing_timepoints(folder, groups, channels, missing)
    refuse_partial_volumes(folder, groups)
    times = find_times(groups, numbers)
    *grid, pieces = list_sites(files)
    has_planes = all("plane" in file.numbers for file in files)
    ranks = [{value: rank for rank, value in enumerate(values)} for values in grid]
    tiles = {key: _make_tiles(folder, group, ranks) for key, group in groups.items()}
    return Acquisition(
        folder=folder,
        channels=channels,
        wavelengths={channel: wavelengths[channel] for channel in channels},
        timepoints=len(numbers),
        grid=(len(grid[0]), len(grid[1]), len(grid[2])),
        seconds=times.timepoints,
        volumes=tuple(
            Volume(channel, timepoint, times.volumes.get((number, channel)), tiles.get((number, channel), ()))
            for timepoint, number in enumerate(numbers)
            for channel in channels
        ),
        excluded_files=excluded,
        remarks=(
            *_remark_on_names(files, len(numbers)),
            *_remark_on_planes(pieces if has_planes else []),
            *holes,
            *times.remarks,
        ),
        waiting_files=waiting,
        tile_numbers=tuple(map(tuple, grid)),
        has_planes=has_planes,
    )


def _make_tiles(folder: Path, files: dict[Site, SourceFile], ranks: list[dict[int, int]]) -> tuple[Tile, ...]:
    """Stack the files of a volume by tile; `ranks` turns z, y, x of the names into indices of the grid."""
    pieces: dict[Position, list[Piece]] = defaultdict(list)
    for z, y, x, number in sorted(files):
        pieces[ranks[0][z], ranks[1][y], ranks[2][x]].append(Piece(folder / files[z, y, x, number].name))
    return tuple(Tile(position, tuple(stack)) for position, stack in pieces.items())


def _remark_on_names(files: list[SourceFile], timepoints: int) -> list[str]:
    remarks = []
    if len(prefixes := sorted({file.prefix for file in files}, key=make_natural_key)) > 1:
        remarks.append(f"The file names begin in {len(prefixes)} ways: {', '.join(map(repr, prefixes[:3]))}.")
    if timepoints > 1 and not find_varying_counters(files):
        remarks.append("Only the times in the names tell the timepoints apart.")
    return remarks


def _remark_on_planes(numbers: Sequence[int]) -> list[str]:
    """Say how planes are numbered, if some could be missing before the first or between all of them."""
    remarks = []
    if numbers and numbers[0] > 1:
        remarks.append(f"The planes begin with number {numbers[0]}.")
    if len(numbers) > 1 and (step := numbers[1] - numbers[0]) > 1:
        remarks.append(f"The numbers of the planes go up by {step}: voxel_size.z must be the distance of those.")
    return remarks
