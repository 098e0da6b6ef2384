"""Which pages of its file are the image of a bead, and their voxel size: as the file says, held against the config.

Light to import, whenever Snakemake reads the Snakefile; no pixel is read there.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightsheet.acquisition import Piece, Tile, find_layout
from lightsheet.sources import (
    FileMetadata,
    count_pages,
    decide_scan,
    decide_voxel_size,
    open_stack,
    read_metadata,
    set_plane_distance,
)
from lightsheet.system import InputError, write_number


def find_psf_settings(path: Path, section: Mapping[str, Any], channel: str) -> dict[str, Any]:
    """Find what a channel's PSF is prepared with, from the configuration and from what its file says about itself.

    Parameters
    ----------
    path : Path, the image of the bead, a TIFF
    section : mapping, `psf` of a checked configuration
    channel : str, a key of `psf.files`

    Returns
    -------
    dict
        The arguments `psf_voxel_size`, `background` and `pages` of `prepare_psf_file`, and `psf_scan` if a stage
        scanned the bead: `angle` in degrees, `step` in micrometre, `axis`, `direction`.

    Raises
    ------
    InputError
        If the file contradicts the configuration; holds several channels or timepoints of which none is chosen, or a
        single plane; is damaged or in colours; or does not tell what the configuration leaves out. What is no TIFF at
        all is left to `prepare_psf_file`.
    """
    key, scan = find_psf_scan(section, channel)
    try:
        count = count_pages(path)
    except InputError:
        if _begins_as_tiff(path) or not {*section["voxel_size"], *("z" if scan else "")} >= set("zyx"):
            raise
        metadata, pages = None, None
    else:
        if count == 1:
            raise InputError(f"{path}: this PSF is a single plane; give a stack of planes (z, y, x) of a bead")
        metadata = read_metadata(path)
        pages = _choose_pages(path, metadata, section, channel)
    voxel_size = section["voxel_size"]
    if scan:
        if key != "psf.scan":  # then the z of the configuration is that of the other beads
            voxel_size = {axis: size for axis, size in voxel_size.items() if axis != "z"}
        voxel_size, metadata = set_plane_distance(voxel_size, metadata, scan, ("psf.voxel_size", key))
    return {
        "psf_voxel_size": decide_voxel_size(voxel_size, metadata, None, "psf.voxel_size"),
        "background": section["background"],
        "pages": pages,
        **({"psf_scan": scan} if scan else {}),
    }


def find_psf_scan(section: Mapping[str, Any], channel: str) -> tuple[str, dict[str, Any] | None]:
    """Find how the bead of a channel was scanned, and the key of the configuration that says so; None: straight."""
    entry = section["files"][channel]
    if isinstance(entry, Mapping) and "scan" in entry:
        key, scan = f"psf.files.{channel}.scan", entry["scan"]
    else:
        key, scan = "psf.scan", section.get("scan", "straight")  # older provenance lacks it
    return key, decide_scan(scan, key=key)


def read_psf_image(path: Path, pages: Sequence[int] | None = None) -> Any:
    """Read the image of a bead, (z, y, x): of all pages, or from a start to a stop by a step.

    Parameters
    ----------
    path : Path, a TIFF
    pages : sequence of int, optional, as `find_psf_settings` has them

    Raises
    ------
    InputError
        If it cannot be read.
    """
    with open_stack([(path, range(*pages) if pages else None)]) as stack:
        return stack[:, :]


def _choose_pages(path: Path, metadata: FileMetadata, section: Mapping[str, Any], channel: str) -> list[int] | None:
    """Return start, stop and step of the pages of the channel and timepoint that the user chose; None for all pages."""
    layout = find_layout(section["axes"], metadata, Tile((0, 0, 0), (Piece(path),)), "psf.axes")
    entry = section["files"][channel]
    choice = {} if isinstance(entry, str) else entry
    counts = {key: layout.sizes[axis] if layout else 1 for key, axis in (("channel", "C"), ("timepoint", "T"))}
    for key, count in counts.items():
        number = choice.get(key, 0 if count == 1 else None)
        if number is not None and number < count:
            continue
        source = metadata.source if section["axes"] == "auto" else "psf.axes"
        range_remark = "" if number is None else f", and none is number {number} (from 0)"
        example = ", ".join([f"path: {path}", *(f"{name}: 0" for name, n in counts.items() if n > 1)])
        raise InputError(
            f"{path}: holds {write_number(count, key)} ({source}){range_remark}; give one of them, from 0, as in "
            f"psf.files.{channel}: {{{example}}}; or set psf.axes: ZYX if its pages are the planes of one image"
        )
    if not layout or layout.sizes["C"] * layout.sizes["T"] == 1:
        return None
    pages = layout.locate_planes(choice.get("timepoint", 0), choice.get("channel", 0))
    return [pages.start, pages.stop, pages.step]


def _begins_as_tiff(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) in (b"II", b"MM")
