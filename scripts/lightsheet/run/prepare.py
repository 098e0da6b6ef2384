"""The plan of a run, made each time the Snakefile is parsed: the configuration checked, the folder understood.

Nothing here writes, and nothing reads pixels: every job of a cluster run parses the Snakefile again.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightsheet.acquisition import (
    Acquisition,
    Tile,
    check_tile_distances,
    discover,
    list_stack_pieces,
    unfold_hyperstack,
)
from lightsheet.run.blocks import read_sizes
from lightsheet.run.config import check_channels, check_config
from lightsheet.run.prepare_stores import open_stores
from lightsheet.run.run import Run
from lightsheet.run.scans import choose_voxel_size, refuse_step_as_distance, resolve_scans
from lightsheet.run.selection import choose_region, select_volumes
from lightsheet.sources import SourceStats, list_facts, open_stack, read_lattice_settings, read_metadata
from lightsheet.store import Results
from lightsheet.system import InputError, check_path, read_json


def prepare_run(settings: Mapping[str, Any], *, in_job: bool = False, needs_psfs: bool = True) -> Run:
    """Check the user's configuration, list the folder, and look at one volume.

    Parameters
    ----------
    settings : mapping, the configuration as the user wrote it
    in_job : bool, for a job of a run: it must see the files that the run began with, and its blocks; others may have
        arrived
    needs_psfs : bool, whether the configuration must name PSFs; what only lists the files can do without

    Returns
    -------
    Run, all that the run shall do; no pixel has been read, and nothing written

    Raises
    ------
    InputError
        Says everything that a user can set right before work starts.
    """
    config = check_config(settings, needs_psfs=needs_psfs)
    section = config["input"]
    results = Results(Path(config["output"]["folder"]) / config["name"])
    for path in (results.folder, Path(section["folder"])):
        check_path(path)
    files = read_json(results.files)
    if not isinstance(files, dict) or not files.keys() >= {"names", "waiting"}:
        files = {"names": None, "waiting": ()}
    acquisition = discover(
        section["folder"],
        section["pattern"],
        section["ignore"],
        missing=section["missing"],
        settle=section["settle"],
        names=files["names"] if in_job else None,
        previous_names=files["names"] or (),
    )
    if in_job:
        acquisition = replace(acquisition, waiting_files=tuple(map(tuple, files["waiting"])))
    stats, stores = SourceStats(), None
    if acquisition.stores:
        stores = open_stores(config, acquisition, stats, files.get("stores"), in_job=in_job)
        acquisition, metadata = stores.acquisition, stores.opened.metadata
    else:
        if section["image"] != "auto":
            raise InputError(
                "config key input.image: it chooses an image of a Zarr store, and input.folder holds TIFFs"
            )
        tile = _find_typical_tile(acquisition, stats)
        metadata = read_metadata(*(piece.path for piece in tile.pieces))
        acquisition = unfold_hyperstack(acquisition, section["axes"], tile, metadata)
    whole, acquisition = acquisition, select_volumes(acquisition, section["select"])
    check_channels(config, acquisition.channels, whole.channels)
    lattice_settings = read_lattice_settings(acquisition.folder)
    has_override = config.get("voxel_size", {}).get("override")
    scan = resolve_scans(config, None if has_override else lattice_settings)
    config["voxel_size"], voxel_size = choose_voxel_size(config.get("voxel_size"), metadata, lattice_settings, scan)
    if section["scan"] == "auto" and not has_override:
        refuse_step_as_distance(config["voxel_size"], lattice_settings)
    facts = None
    if stores:  # which were all compared with each other
        tile, shape, dtype = _find_first_tile(acquisition), stores.opened.shape, stores.opened.dtype
    else:
        paths = [piece.path for piece in tile.pieces]
        facts = list_facts(metadata, paths, voxel_size, is_auto=section["axes"] == "auto")
        with open_stack(list_stack_pieces(_find_typical_tile(whole, stats).pieces)) as stack:
            shape, dtype = stack.shape, stack.dtype.name
    if acquisition.has_planes and shape[0] != len(tile.pieces):
        raise InputError(
            f"{tile.pieces[0].path}: its name says that it is a single plane, but the {len(tile.pieces)} files of its "
            f"volume hold {shape[0]}; write {{part}} for {{plane}} if each continues the one before, or {{timepoint}}"
        )
    if shape[0] == 1:
        raise InputError(
            f"{tile.pieces[0].path}: it is a single plane, and a volume is a stack; if the number in the names counts "
            "planes, write {plane} there, in a template (input.pattern)"
        )
    if math.prod(acquisition.grid) > 1 and section["tiles"] == "auto" and not in_job:
        remark = check_tile_distances(whole, section["pattern"], shape, config["voxel_size"])
        acquisition = replace(acquisition, remarks=(*acquisition.remarks, remark))
    size = [n * tiles for n, tiles in zip(shape, acquisition.grid, strict=True)]
    region = choose_region(section["select"], size)
    z, y, x = [stop - start for start, stop, _ in region] if region else size
    sizes, state = read_sizes(results.blocks, in_job=in_job), stores.state if stores else None
    selected = stats.keep(piece for volume in acquisition.volumes for piece in volume.pieces)
    run = Run(config, acquisition, (z, y, x), dtype, selected, sizes, facts, region, state)
    _refuse_braces(run)
    run.psf_settings  # noqa: B018 (refuses a PSF whose file contradicts the configuration)
    return run


def _refuse_braces(run: Run) -> None:
    """Refuse paths that Snakemake would take for patterns."""
    sources = [path for channel in run.channels for path in run.list_sources(channel)]
    for path in (str(run.results.folder), *map(run.find_psf_file, run.psf_settings), *sources):
        if "{" in path or "}" in path:
            raise InputError(f"{path}: a path with braces cannot be used; rename it")


def _find_first_tile(acquisition: Acquisition) -> Tile:
    return next(tile for volume in acquisition.volumes for tile in volume.tiles)


def _find_typical_tile(acquisition: Acquisition, stats: SourceStats) -> Tile:
    """Return a tile of the most common size in bytes, so that one file of another size is not taken for the rule."""
    tiles = [tile for volume in acquisition.volumes for tile in volume.tiles]
    totals = [sum(stats[piece].bytes for piece in tile.pieces) for tile in tiles]
    return tiles[totals.index(Counter(totals).most_common(1)[0][0])]
