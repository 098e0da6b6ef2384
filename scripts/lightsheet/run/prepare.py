"""The plan of a run, made each time the Snakefile is parsed: the configuration checked, the folder understood.

Nothing here writes, and nothing reads pixels: every job of a cluster run parses the Snakefile again.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightsheet.acquisition import Acquisition, Tile, discover, unfold_hyperstack
from lightsheet.run.config import check_channels, check_config
from lightsheet.run.run import Run
from lightsheet.sources import decide_voxel_size, open_stack, read_lattice_settings, read_metadata
from lightsheet.store import Results
from lightsheet.system import InputError, read_json, stat_file


def prepare_run(settings: Mapping[str, Any], *, resumed: bool = False) -> Run:
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
    checked = check_config(settings)
    given = checked["input"]
    results = Results(Path(checked["output"]["folder"]) / checked["name"])
    last = read_json(results.files) or {"names": None, "waiting": ()}
    found = discover(
        given["folder"],
        given["pattern"],
        given["ignore"],
        missing=given["missing"],
        settle=given["settle"],
        names=last["names"] if resumed else None,
        previous_names=last["names"] or (),
    )
    if resumed:
        found = replace(found, waiting_files=tuple(map(tuple, last["waiting"])))
    sizes = _sizes(found)
    typical = _typical_tile(found, sizes)
    facts = read_metadata(typical.pieces[0].path)
    found = unfold_hyperstack(found, given["axes"], typical, facts)
    check_channels(checked, found.channels)
    checked["voxel_size"] = decide_voxel_size(checked.get("voxel_size"), facts, read_lattice_settings(found.folder))
    with open_stack(_typical_tile(found, sizes).pieces) as stack:
        shape, dtype = stack.shape, stack.dtype
    z, y, x = (n * tiles for n, tiles in zip(shape, found.grid, strict=True))
    run = Run(checked, found, (z, y, x), dtype.name)
    _refuse_braces(run)
    return run


def _refuse_braces(run: Run) -> None:
    """Refuse paths that Snakemake would take for patterns."""
    sources = [
        source for channel in run.channels for block in run.blocks for source in run.list_sources(channel, block)
    ]
    for path in (str(run.results.folder), *map(run.find_psf_file, run.channels), *sources):
        if "{" in path or "}" in path:
            raise InputError(f"{path}: a path with braces cannot be used; rename it")


def _sizes(found: Acquisition) -> dict[Path, int]:
    """Return the size of each file in bytes."""
    paths = dict.fromkeys(piece.path for volume in found.volumes for piece in volume.pieces)
    return {path: stat_file(path).st_size for path in paths}


def _typical_tile(found: Acquisition, sizes: Mapping[Path, int]) -> Tile:
    """Return a tile of the most common size, so that one odd file is not taken for the rule."""
    tiles = [tile for volume in found.volumes for tile in volume.tiles]
    totals = [sum(sizes[piece.path] for piece in tile.pieces) for tile in tiles]
    return tiles[totals.index(Counter(totals).most_common(1)[0][0])]
