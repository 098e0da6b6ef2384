"""An image of a Zarr store, and what the store says of it.

Only the metadata's JSON is read. What is absent or damaged of scales, units and channels is unknown, no error; what
tells where pixels are must be right.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lightsheet.sources.metadata import FileMetadata, convert_positive, convert_unit
from lightsheet.sources.ngff import LENGTHS, TIMES, compose_scale, find_axes, list_axes, read_channels
from lightsheet.sources.zarr_array import ArrayLayout, read_array, read_node
from lightsheet.sources.zarr_entries import DEPTH, StoredEntry, choose_image, step_into
from lightsheet.sources.zarr_folder import is_zarr
from lightsheet.system import InputError, escape_name


class StoreImage(NamedTuple):
    """An image of a store at its finest level.

    `axes` has a letter of "tczyx" for each axis of the array, or "-" for one of length 1 that is none of these.
    `colours`, RRGGBB, has one per channel, or none. `place` is that of its first voxel, z, y and x in micrometre, as
    far as it is known.
    """

    layout: ArrayLayout
    axes: str
    metadata: FileMetadata
    colours: tuple[str, ...]
    place: Mapping[str, float]

    @property
    def sizes(self) -> dict[str, int]:
        """Voxels along z, y and x, timepoints and channels."""
        sizes = dict(zip(self.axes, self.layout.shape, strict=True))
        return {axis: sizes.get(axis, 1) for axis in "tczyx"}

    def select(self, timepoint: int, channel: int, fill: float | None = None) -> tuple[int | str, ...]:
        """Return what a volume is of the array, for `open_mosaic`; `fill` may stand for what was never written."""
        numbers: dict[str, int | str] = {"t": timepoint, "c": channel, "-": 0}
        selection = tuple(numbers.get(axis, axis) for axis in self.axes)
        return selection if fill is None else (*selection, f"fill={fill!r}")


def read_image(store: Path, image: int | str = "auto", axes: str = "auto") -> StoreImage:
    """Read where an image of a store is, and what the store says of it.

    Parameters
    ----------
    store : Path, a group with metadata of OME-NGFF or without, or an array
    image : int or str, its number, or its path in the store; auto: the only one
    axes : str, the letters of its axes in the order of the array; auto: as the store names them

    Raises
    ------
    InputError
        If there are several images and none is chosen, the metadata is damaged, or the axes are not known.
    """
    entry = choose_image(store, image)
    try:
        return _read_entry(store, entry, axes)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        cause = escape_name(f"{type(error).__name__}: {error}")[:200]
        raise InputError(
            f"{entry.folder}: its OME-NGFF metadata is damaged ({cause}); copy the store again, or name the array "
            "itself in input.folder and set input.axes"
        ) from error


def read_place(array: Path) -> Mapping[str, float]:
    """Return where the first voxel of an array lies, z, y and x in micrometre, as far as the groups above it tell."""
    for folder in list(array.parents)[:DEPTH]:
        if not is_zarr(folder):
            break
        attributes = read_node(folder)[1]
        for multiscale in attributes.get("ome", attributes).get("multiscales", ()):
            if any(step_into(folder, dataset["path"]) == array for dataset in multiscale["datasets"]):
                return _read_entry(folder, StoredEntry("", folder, multiscale, {}), "auto").place
    return {}


def read_unmeasured(store: Path) -> float | None:
    """Return the value of voxels that were never measured, as results of stage scans say of themselves."""
    if not is_zarr(store):
        return None
    attributes = read_node(store)[1]
    facts = attributes.get("lightsheet")
    unmeasured = facts.get("unmeasured") if isinstance(facts, Mapping) else None
    value = unmeasured.get("value") if isinstance(unmeasured, Mapping) else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _read_entry(store: Path, entry: StoredEntry, axes: str) -> StoreImage:
    if entry.multiscale is None:
        layout = read_array(entry.folder)
        metadata = FileMetadata(f"the metadata of {escape_name(entry.folder.name)}")
        return _make_image(layout, find_axes(layout, layout.names, axes), metadata, (), {})
    datasets = entry.multiscale["datasets"]
    number, layout = _find_finest(entry.folder, datasets)
    axis_entries = list_axes(entry.multiscale, layout)
    letters = find_axes(layout, axis_entries, axes)
    scale, shift = compose_scale(entry.multiscale, datasets[number], len(layout.shape))
    units = [axis.get("unit") if isinstance(axis, Mapping) else None for axis in axis_entries]
    scales = {letter: (scale[i], shift[i], units[i]) for i, letter in enumerate(letters) if scale}
    spatial = {axis: scales[axis] for axis in "zyx" if axis in scales}
    voxel_size = {axis: _convert(size, unit, LENGTHS) for axis, (size, _, unit) in spatial.items()}
    if {size for size, _, _ in spatial.values()} == {1}:  # what a store has where nobody set it
        voxel_size = {}
    place = {axis: convert_unit(offset, unit, LENGTHS) for axis, (_, offset, unit) in spatial.items()}
    interval, _, unit = scales.get("t", (None, None, None))
    labels, colours = read_channels(entry.omero)
    metadata = FileMetadata(
        f"OME-NGFF metadata of {escape_name(store.name)}",
        {axis: size for axis, size in voxel_size.items() if size is not None},
        None if interval == 1 else _convert(interval, unit, TIMES),  # 1 where nobody set it, too
        channels=labels,
    )
    return _make_image(layout, letters, metadata, colours, {a: n for a, n in place.items() if math.isfinite(n)})


def _find_finest(folder: Path, datasets: Sequence[Mapping[str, Any]]) -> tuple[int, ArrayLayout]:
    """Find the level of most voxels, the first of equal ones: its number and its array."""
    layouts = [read_array(step_into(folder, datasets[0]["path"]))]
    for dataset in datasets[1:]:
        path = step_into(folder, dataset["path"])
        layouts.append(read_array(path) if is_zarr(path) else layouts[0])
    number = max(range(len(layouts)), key=lambda index: math.prod(layouts[index].shape))
    return number, layouts[number]


def _make_image(
    layout: ArrayLayout, axes: str, metadata: FileMetadata, colours: tuple[str, ...], place: Mapping[str, float]
) -> StoreImage:
    image = StoreImage(layout, axes, metadata, colours, place)
    sizes = {axis: image.sizes[axis.lower()] for axis in "TCZ"}
    return image._replace(metadata=metadata._replace(sizes=sizes, file_sizes=sizes))


def _convert(value: object, unit: object, scales: Mapping[str, float]) -> float | None:
    """Convert a size with a unit: 104 nm to 0.104 um, not to 0.10400000000000001."""
    number = convert_positive(value, unit, scales)
    return None if number is None else float(f"{number:.12g}")
