"""The plan of a run, made each time the Snakefile is parsed: the configuration checked, the folder understood.

Nothing here writes, and nothing reads pixels: every job of a cluster run parses the Snakefile again.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightsheet import acquisition, config, files, hyperstack, metadata, tiff, voxel_size
from lightsheet.acquisition import Acquisition, Tile
from lightsheet.errors import InputError
from lightsheet.results import Results
from lightsheet.run import Run


def prepare(settings: Mapping[str, Any], *, resumed: bool = False) -> Run:
    """Check the configuration, list the folder, and look at one volume.

    Parameters
    ----------
    settings : mapping
        The user's configuration.
    resumed : bool
        Whether this is a job of a run, which must see the files that the run began with: others may have arrived.

    Returns
    -------
    Run
        The plan.

    Raises
    ------
    InputError
        For everything that a user can set right before work starts.
    """
    checked = config.check(settings)
    given = checked["input"]
    results = Results(Path(checked["output"]["folder"]) / checked["name"])
    last = files.read_json(results.files) or {"names": None, "waiting": ()}
    found = acquisition.discover(
        given["folder"],
        given["pattern"],
        given["ignore"],
        missing=given["missing"],
        settle=given["settle"],
        names=last["names"] if resumed else None,
        before=last["names"] or (),
    )
    if resumed:
        found = replace(found, waiting=tuple(map(tuple, last["waiting"])))
    sizes = _sizes(found)
    typical = _typical_tile(found, sizes)
    facts = metadata.read(typical.pieces[0].path)
    found = hyperstack.unfold(found, given["axes"], typical, facts)
    config.check_channels(checked, found.channels)
    checked["voxel_size"] = voxel_size.check(checked.get("voxel_size"), facts, metadata.settings_file(found.folder))
    with tiff.open_stack(_typical_tile(found, sizes).pieces) as stack:
        shape, dtype = stack.shape, stack.dtype
    z, y, x = (n * tiles for n, tiles in zip(shape, found.grid, strict=True))
    run = Run(checked, found, (z, y, x), dtype.name)
    _refuse_braces(run)
    return run


def _refuse_braces(run: Run) -> None:
    """Refuse paths that Snakemake would take for patterns."""
    sources = [source for channel in run.channels for block in run.blocks for source in run.sources(channel, block)]
    for path in (str(run.results.folder), *map(run.psf_file, run.channels), *sources):
        if "{" in path or "}" in path:
            raise InputError(f"{path}: a path with braces cannot be used; rename it")


def _sizes(found: Acquisition) -> dict[Path, int]:
    """Return the size of each file in bytes."""
    paths = dict.fromkeys(piece.path for volume in found.volumes for piece in volume.pieces)
    return {path: files.stat(path).st_size for path in paths}


def _typical_tile(found: Acquisition, sizes: Mapping[Path, int]) -> Tile:
    """Return a tile of the most common size, so that one odd file is not taken for the rule."""
    tiles = [tile for volume in found.volumes for tile in volume.tiles]
    totals = [sum(sizes[piece.path] for piece in tile.pieces) for tile in tiles]
    return tiles[totals.index(Counter(totals).most_common(1)[0][0])]
