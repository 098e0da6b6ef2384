"""ImageJ's tags of a TIFF: voxel size, interval, and the order of its pages."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tifffile

from lightsheet.sources.metadata import MICROMETRES, SECONDS, FileMetadata, convert_positive


def read_imagej_tags(file: tifffile.TiffFile, path: Path) -> FileMetadata:
    """Read the tags of a file that has them."""
    tags = file.imagej_metadata or {}
    names = {"T": "frames", "C": "channels", "Z": "slices"}
    sizes = {axis: int(tags.get(name, 1)) for axis, name in names.items() if names.values() & tags.keys()}
    images = int(tags.get("images", 0))
    if not sizes and images > 1:  # programs that describe each page write 1
        sizes = {"T": 1, "C": 1, "Z": images}
    # Over 4 GB, one page stands for all.
    pages = images or 1 if len(file.pages) == 1 else len(file.pages)
    # The fastest first; "default" is what ImageJ calls it where it turned the pages into it.
    order = re.sub(r"\(.*|[^a-z]", "", str(tags.get("order", "czt")).lower()).removeprefix("xy")
    axes, problem = order[::-1].upper(), ""
    if sorted(axes) != ["C", "T", "Z"]:
        problem = f"ImageJ tags of it say that the order of its pages is {tags['order']!r}, which is not understood"
    return FileMetadata(
        f"ImageJ tags of {path.name}",
        _read_voxel_size(file, tags),
        convert_positive(tags.get("finterval"), tags.get("tunit", "s"), SECONDS),
        axes=axes if sizes else "",
        sizes=sizes,
        file_sizes=sizes if math.prod(sizes.values()) == pages else {},
        problem=problem if sizes and math.prod(sizes.values()) != sizes["Z"] else "",
    )


def _read_voxel_size(file: tifffile.TiffFile, tags: Mapping[str, Any]) -> dict[str, float]:
    """Read what is known of the size of a voxel along z, y and x, in micrometre."""
    unit = tags.get("unit")
    per_unit = dict(zip("xy", file.pages.first.resolution, strict=True))
    if set(per_unit.values()) == {1}:  # what a TIFF has where nobody set it
        per_unit = {}
    pixel = {axis: 1 / number for axis, number in per_unit.items() if number}
    voxel_size = {
        "z": convert_positive(tags.get("spacing"), tags.get("zunit", unit), MICROMETRES),
        "y": convert_positive(pixel.get("y"), tags.get("yunit", unit), MICROMETRES),
        "x": convert_positive(pixel.get("x"), unit, MICROMETRES),
    }
    return {axis: size for axis, size in voxel_size.items() if size is not None}
