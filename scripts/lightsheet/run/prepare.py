"""The plan of a run, made each time the Snakefile is parsed: the configuration checked, the folder understood.

Nothing here writes, and nothing reads pixels: every job of a cluster run parses the Snakefile again.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightsheet.acquisition import Acquisition, check_tile_distances, discover
from lightsheet.run.blocks import read_sizes
from lightsheet.run.config import check_channels, check_config
from lightsheet.run.file_list import read_file_list
from lightsheet.run.images import measure_tiles, open_images, refuse_planes
from lightsheet.run.run import Run
from lightsheet.run.scans import choose_voxel_size, refuse_step_as_distance, resolve_scans
from lightsheet.run.selection import choose_region, select_volumes
from lightsheet.sources import FileMetadata, SourceStats, list_facts, read_lattice_settings
from lightsheet.store import Results
from lightsheet.system import InputError, check_path


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
    files = read_file_list(results)
    stats = SourceStats()
    images = open_images(config, _discover(section, files, in_job), stats, files, in_job=in_job)
    whole, is_growing = images.acquisition, section["settle"] > 0
    acquisition = select_volumes(whole, section["select"], is_growing=is_growing)
    check_channels(config, acquisition.channels, whole.channels)
    voxel_size = _settle_voxel_size(config, acquisition.folder, images.metadata)
    facts = None
    if not images.stores:
        paths = [piece.path for piece in images.tile.pieces]
        facts = list_facts(images.metadata, paths, voxel_size, is_auto=section["axes"] == "auto")
    shape, dtype = measure_tiles(images, stats)
    refuse_planes(images, shape[0])
    if math.prod(acquisition.grid) > 1 and section["tiles"] == "auto" and not in_job:
        remark = check_tile_distances(whole, section["pattern"], shape, config["voxel_size"])
        acquisition = replace(acquisition, remarks=(*acquisition.remarks, remark))
    size = [n * tiles for n, tiles in zip(shape, acquisition.grid, strict=True)]
    region = choose_region(section["select"], size)
    z, y, x = [stop - start for start, stop, _ in region] if region else size
    sizes, state = read_sizes(results.blocks, in_job=in_job), images.stores.state if images.stores else None
    file_stats = stats.keep(piece for volume in acquisition.volumes for piece in volume.pieces)
    run = Run(config, acquisition, (z, y, x), dtype, file_stats, sizes, facts, region, state)
    _refuse_braces(run)
    if not in_job:
        _refuse_unmeasured(run)
    run.psf_settings  # noqa: B018 (refuses a PSF whose file contradicts the configuration)
    return run


def _discover(section: Mapping[str, Any], files: Mapping[str, Any], in_job: bool) -> Acquisition:
    """List the folder; in a job, the files that its run began with."""
    acquisition = discover(
        section["folder"],
        section["pattern"],
        section["ignore"],
        missing=section["missing"],
        settle=section["settle"],
        names=files["names"] if in_job else None,
        previous_names=files["names"] or (),
    )
    return replace(acquisition, waiting_files=tuple(map(tuple, files["waiting"]))) if in_job else acquisition


def _settle_voxel_size(config: dict[str, Any], folder: Path, metadata: FileMetadata) -> dict[str, float] | None:
    """Complete voxel size and scans in the configuration from what files say, and return what these say."""
    settings = read_lattice_settings(folder)
    has_override = config.get("voxel_size", {}).get("override")
    scan = resolve_scans(config, None if has_override else settings)
    config["voxel_size"], voxel_size = choose_voxel_size(config.get("voxel_size"), metadata, settings, scan)
    if config["input"]["scan"] == "auto" and not has_override:
        refuse_step_as_distance(config["voxel_size"], settings)
    return voxel_size


def _refuse_unmeasured(run: Run) -> None:
    """Refuse a stage scan of which no voxel of the result would be measured, so that all of it would be 0."""
    geometry = run.geometry
    if geometry and not geometry.find_support().any():
        axis = "zyx"[geometry.scan.axis]
        raise InputError(
            f"config key output.geometry: {geometry.kind} leaves no voxel that planes of {run.shape} (z, y, x), "
            f"{geometry.scan.shift:.3g} voxels along {axis} from one to the next, have measured on all sides; choose "
            f"raw, or select more along z and {axis} (input.select), or correct input.scan"
        )


def _refuse_braces(run: Run) -> None:
    """Refuse paths that Snakemake would take for patterns."""
    sources = [path for channel in run.channels for path in run.list_sources(channel)]
    for path in (str(run.results.folder), *map(run.find_psf_file, run.psf_settings), *sources):
        if "{" in path or "}" in path:
            raise InputError(f"{path}: a path with braces cannot be used; rename it")
