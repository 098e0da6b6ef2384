"""The voxel size and the scan of images, as far as their files and the microscope's settings tell them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lightsheet.planning.commented_yaml import GUESS, Line
from lightsheet.planning.first_look import FirstLook
from lightsheet.run import TODO, Run
from lightsheet.sources import FileMetadata, measure_distance, read_image, read_lattice_settings, read_metadata
from lightsheet.system import InputError

DESKEWED = ("deskew", "dsr", "rotated")
"""Words in the path of images whose planes lie straight although a stage moved at an angle."""


class FirstVoxels(NamedTuple):
    """Lines of `voxel_size`, one of `input.scan` if a stage moved, a phrase on them, and the sizes that are known."""

    lines: dict[str, Line]
    scan: Line | None
    text: str
    sizes: Mapping[str, float]


def find_voxels(look: FirstLook, run: Run | None) -> FirstVoxels:
    """Find what tells the voxel size of a run's images, or of their first file where they are not understood yet."""
    metadata, settings = _read_metadata(look, run), read_lattice_settings(look.folder)
    lines = {axis: _write_axis(axis, metadata, settings) for axis in "zyx"}
    scan = _write_scan(look, settings, metadata)
    if scan and scan.value != TODO:
        del lines["z"]
    sizes_um = {axis: line.value for axis, line in lines.items() if line.value != TODO}
    if settings and "z" not in lines:
        sizes_um["z"] = measure_distance(settings.stage)
    sizes = " x ".join(f"{sizes_um[axis]:.4g}" if axis in sizes_um else "?" for axis in "zyx")
    text = f"voxels of {sizes} micrometre" + (", of a stage scan (a guess)" if "z" not in lines else "")
    return FirstVoxels(lines, scan, text, sizes_um)


def _read_metadata(look: FirstLook, run: Run | None) -> FileMetadata:
    try:
        if run and run.acquisition.stores:
            return read_image(look.folder / run.acquisition.stores[0]).metadata
        if run:
            tile = next(tile for volume in run.acquisition.volumes for tile in volume.tiles)
            return read_metadata(*dict.fromkeys(piece.path for piece in tile.pieces))
        return read_metadata(look.folder / look.names[0])
    except (InputError, IndexError):
        return FileMetadata(str(look.folder))


def _write_axis(axis: str, file: FileMetadata, settings: FileMetadata | None) -> Line:
    if axis in file.voxel_size:
        return Line(_round(file.voxel_size[axis]), (f"From {file.source}.",))
    sources = [source for source in (file, settings) if source]
    choices = next(((source.source, source.z_choices) for source in sources if axis == "z" and source.z_choices), None)
    if choices and len(choices[1]) == 1:
        return Line(_round(choices[1][0]), (f"From {choices[0]}.",))
    if choices:
        values = " or ".join(f"{value:.4g}" for value in choices[1])
        return Line(TODO, (f"Not known: {choices[0]} leaves open whether it is {values}.",))
    return Line(TODO, ("Not known: neither the files nor a microscope's settings beside them tell it.",))


def _write_scan(look: FirstLook, settings: FileMetadata | None, file: FileMetadata) -> Line | None:
    """Take the images for raw planes of a stage scan where settings say that a stage moved, and nothing denies it."""
    if not settings or not settings.stage.keys() >= {"angle", "step"}:
        return None
    angle, step = settings.stage["angle"], settings.stage["step"]
    movement = f"{settings.source} says that a stage moved at {angle:g} degrees by {step:g} from plane to plane"
    alternative = "if they were deskewed, write scan: straight, and voxel_size.z"
    text = str(Path(look.folder, look.names[0] if look.names else "")).lower()
    is_other = "z" in file.voxel_size and abs(file.voxel_size["z"] / step - 1) > 0.02
    if any(word in text for word in DESKEWED) or is_other:
        reason = "their voxel size along z is another" if is_other else "a name tells that they were deskewed"
        return Line(
            TODO, (f"{movement}, but {reason}: write {{kind: stage}} if the images are as recorded; {alternative}.",)
        )
    return Line({"kind": "stage"}, (f"{GUESS}{movement}, and the images are taken for raw: {alternative}.",))


def _round(size: Any) -> float:
    return float(f"{size:.6g}")
