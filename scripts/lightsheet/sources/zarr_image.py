"""The images of a Zarr store, and what it says of them: OME-NGFF 0.1 to 0.5, plates, bioformats2raw, plain arrays.

Only the metadata's JSON is read. What is absent or damaged of scales, units and channels is unknown, no error; what
tells where pixels are must be right.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lightsheet.sources.metadata import MICROMETRES, SECONDS, FileMetadata, convert_positive, convert_unit
from lightsheet.sources.zarr_array import ArrayLayout, read_array, read_node
from lightsheet.sources.zarr_folder import is_zarr
from lightsheet.system import InputError, escape_name, join_first

PREFIXES = {
    "pico": 1e-12,
    "nano": 1e-9,
    "micro": 1e-6,
    "milli": 1e-3,
    "centi": 1e-2,
    "deci": 1e-1,
    "": 1.0,
    "kilo": 1e3,
}
LENGTHS = {
    **MICROMETRES,
    **{f"{prefix}{unit}": 1e6 * size for prefix, size in PREFIXES.items() for unit in ("meter", "metre")},
    "angstrom": 1e-4,
    "inch": 25400.0,
    "cm": 1e4,
    "pm": 1e-6,
}
TIMES = {
    **SECONDS,
    **{f"{prefix}second": size for prefix, size in PREFIXES.items()},
    "seconds": 1.0,
    "minute": 60.0,
    "hour": 3600.0,
    "day": 86400.0,
}
"""Units as OME-NGFF writes them, UDUNITS-2's names, and as people do."""

AXES = {"time": "t", "timepoint": "t", "channel": "c", "ch": "c"}
"""Names and types of axes that are not called by a letter."""

DEPTH = 3
"""Of groups in a store without metadata of OME-NGFF, which are looked through for images."""

MOST_LISTED = 12
"""Images in a sentence."""


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


class _Entry(NamedTuple):
    name: str  # as a person would choose it
    folder: Path
    multiscale: Mapping[str, Any] | None  # None of a plain array
    omero: Mapping[str, Any]


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
    entry = _choose(store, image)
    try:
        return _read_entry(store, entry, axes)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        what = escape_name(f"{type(error).__name__}: {error}")[:200]
        raise InputError(
            f"{entry.folder}: its OME-NGFF metadata is damaged ({what}); copy the store again, or name the array "
            "itself in input.folder and set input.axes"
        ) from error


def _choose(store: Path, image: int | str) -> _Entry:
    try:
        entries = list(_list_images(store, store, DEPTH))
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        what = escape_name(f"{type(error).__name__}: {error}")[:200]
        raise InputError(f"{store}: its OME-NGFF metadata is damaged ({what}); copy the store again") from error
    if not entries:
        raise InputError(f"{store}: there is no image in this Zarr store; set input.folder")
    if image == "auto" and len(entries) == 1:
        return entries[0]
    if isinstance(image, int) and image < len(entries):
        return entries[image]
    matches = [entry for entry in entries if entry.name == str(image).strip("/")]
    if len(matches) == 1 and image != "auto":
        return matches[0]
    names = join_first([f"{number}: {escape_name(entry.name)}" for number, entry in enumerate(entries)], MOST_LISTED)
    count = f"{len(entries)} images" if len(entries) > 1 else "1 image"
    lack = "" if image == "auto" else f", and none is {image!r}"
    raise InputError(f"{store}: it holds {count}{lack}; choose one by number or path with input.image: {names}")


def _list_images(store: Path, folder: Path, depth: int) -> Iterator[_Entry]:
    """Yield the images of a store, in the order of its metadata."""
    array, attributes = read_node(folder)
    name = folder.relative_to(store).as_posix() if folder != store else "."
    if array is not None:
        yield _Entry(name, folder, None, {})
        return
    ome = attributes.get("ome", attributes)
    if "multiscales" in ome:
        several = len(ome["multiscales"]) > 1
        for number, multiscale in enumerate(ome["multiscales"]):
            label = f"{name}#{number}" if several else name
            yield _Entry(label, folder, multiscale, ome.get("omero") or {})
        return
    if "plate" in ome:
        paths = [_step_into(folder, well["path"]) for well in ome["plate"]["wells"]]
    elif "well" in ome:
        paths = [_step_into(folder, image["path"]) for image in ome["well"]["images"]]
    elif "bioformats2raw.layout" in ome:
        paths = _list_series(folder)
    elif depth:
        paths = sorted((path for path in folder.iterdir() if path.is_dir() and path.name != "labels"), key=_make_key)
    else:
        return
    for path in paths:
        if is_zarr(path):
            yield from _list_images(store, path, depth - 1)


def _list_series(folder: Path) -> list[Path]:
    """List the images of bioformats2raw's layout."""
    if is_zarr(folder / "OME"):
        attributes = read_node(folder / "OME")[1]
        if series := attributes.get("ome", attributes).get("series"):
            return [_step_into(folder, path) for path in series]
    return sorted((path for path in folder.iterdir() if path.name.isdecimal()), key=_make_key)


def _make_key(path: Path) -> tuple[int, str]:
    return (int(path.name), "") if path.name.isdecimal() and path.name.isascii() else (2**63, path.name)


def _step_into(folder: Path, path: str) -> Path:
    """Return a place in a store; InputError if metadata names one outside of it."""
    parts = path.strip("/").split("/") if isinstance(path, str) else [".."]
    if ".." in parts or "\0" in path:
        raise InputError(f"{folder}: its metadata names {path!r}, which is not in it; copy the store again")
    return folder.joinpath(*(part for part in parts if part not in ("", ".")))


def _read_entry(store: Path, entry: _Entry, axes: str) -> StoreImage:
    if entry.multiscale is None:
        layout = read_array(entry.folder)
        names: Sequence[Any] = layout.names
        metadata = FileMetadata(f"the metadata of {escape_name(entry.folder.name)}")
        return _make_image(layout, _find_axes(layout, names, axes), metadata, (), {})
    datasets = entry.multiscale["datasets"]
    layouts = [read_array(_step_into(entry.folder, datasets[0]["path"]))]
    for dataset in datasets[1:]:
        path = _step_into(entry.folder, dataset["path"])
        layouts.append(read_array(path) if is_zarr(path) else layouts[0])
    number = max(range(len(layouts)), key=lambda index: math.prod(layouts[index].shape))  # the first of equal ones
    layout = layouts[number]
    described = _list_axes(entry, layout)
    letters = _find_axes(layout, described, axes)
    scale, shift = _compose(entry.multiscale, datasets[number], len(layout.shape))
    units = [axis.get("unit") if isinstance(axis, Mapping) else None for axis in described]
    known = {letter: (scale[i], shift[i], units[i]) for i, letter in enumerate(letters) if scale}
    spatial = {axis: known[axis] for axis in "zyx" if axis in known}
    voxel_size = {axis: convert_positive(size, unit, LENGTHS) for axis, (size, _, unit) in spatial.items()}
    if {size for size, _, _ in spatial.values()} == {1}:  # what a store has where nobody set it
        voxel_size = {}
    place = {axis: convert_unit(offset, unit, LENGTHS) for axis, (_, offset, unit) in spatial.items()}
    size, _, unit = known.get("t", (None, None, None))
    labels, colours = _read_channels(entry.omero)
    metadata = FileMetadata(
        f"OME-NGFF metadata of {escape_name(store.name)}",
        {axis: size for axis, size in voxel_size.items() if size is not None},
        convert_positive(size, unit, TIMES),
        channels=labels,
    )
    return _make_image(layout, letters, metadata, colours, {a: n for a, n in place.items() if math.isfinite(n)})


def _make_image(
    layout: ArrayLayout, axes: str, metadata: FileMetadata, colours: tuple[str, ...], place: Mapping[str, float]
) -> StoreImage:
    image = StoreImage(layout, axes, metadata, colours, place)
    sizes = {axis: image.sizes[axis.lower()] for axis in "TCZ"}
    return image._replace(metadata=metadata._replace(sizes=sizes, file_sizes=sizes))


def _list_axes(entry: _Entry, layout: ArrayLayout) -> Sequence[Any]:
    """Return the axes as the metadata describes them: names before version 0.4, none before 0.3."""
    multiscale = entry.multiscale or {}
    if "axes" not in multiscale and "coordinateSystems" not in multiscale and len(layout.shape) == 5:
        return "tczyx"
    axes = multiscale["axes"]
    if len(axes) != len(layout.shape):
        raise InputError(
            f"{entry.folder}: its metadata names {len(axes)} axes, but {layout.path.name} has {len(layout.shape)}; "
            "copy the store again, or set input.axes"
        )
    return list(axes)


def _find_axes(layout: ArrayLayout, described: Sequence[Any], axes: str) -> str:
    """Return a letter for each axis of an array: the user's, or those by which the store names them."""
    if axes != "auto":
        letters = axes.lower()
        if len(letters) != len(layout.shape):
            raise InputError(
                f"input.axes {axes!r}: {layout.path} has {len(layout.shape)} axes, of lengths {layout.shape}; write a "
                "letter of tczyx for each, the slowest first"
            )
    else:
        if not described:
            raise InputError(
                f"{layout.path}: nothing tells which of its axes, of lengths {layout.shape}, is which; set input.axes "
                "to their letters in this order, such as zyx, yxz or tczyx"
            )
        letters = "".join(map(_name_axis, described))
    for letter, size in zip(letters, layout.shape, strict=True):
        if letter == "-" and size > 1:
            raise InputError(
                f"{layout.path}: one of its axes, of length {size}, is none of t, c, z, y and x; export the images "
                "along it one by one, or set input.axes"
            )
    twice = sorted({letter for letter in letters if letters.count(letter) > 1 and letter != "-"})
    lacking = [letter for letter in "zyx" if letter not in letters]
    if twice or lacking:
        what = f"has {' and '.join(twice)} twice" if twice else f"has no {' and '.join(lacking)}"
        raise InputError(
            f"{layout.path}: its axes are {letters}, which {what}; a volume has z, y and x: set input.axes"
        )
    return letters


def _name_axis(axis: Any) -> str:
    name, kind = (axis.get("name"), axis.get("type")) if isinstance(axis, Mapping) else (axis, None)
    for text in (str(name).lower(), str(kind).lower()):
        if text in ("t", "c", "z", "y", "x"):
            return text
        if text in AXES:
            return AXES[text]
    return "-"


def _compose(multiscale: Mapping[str, Any], dataset: Mapping[str, Any], count: int) -> tuple[list[float], list[float]]:
    """Return what the transformations of a level make of a voxel: scale and shift per axis; none if not understood."""
    scale, shift = [1.0] * count, [0.0] * count
    lists = [source.get("coordinateTransformations") or [] for source in (dataset, multiscale)]
    if not lists[0]:
        return [], []
    for step in (step for steps in lists for step in steps):
        kind = step.get("type") if isinstance(step, Mapping) else None
        values = step.get(kind) if kind in ("scale", "translation") else [1.0] * count
        is_known = isinstance(values, list) and len(values) == count and all(type(v) in (int, float) for v in values)
        if kind not in ("identity", "scale", "translation") or not is_known:
            return [], []
        if kind == "scale":
            scale = [a * b for a, b in zip(scale, values, strict=True)]
            shift = [a * b for a, b in zip(shift, values, strict=True)]
        elif kind == "translation":
            shift = [a + b for a, b in zip(shift, values, strict=True)]
    return scale, shift


def _read_channels(omero: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read labels and colours of the channels; those that not all of them have are left out."""
    channels = omero.get("channels") if isinstance(omero, Mapping) else None
    channels = [channel for channel in channels or [] if isinstance(channel, Mapping)]
    labels = [str(channel["label"]) for channel in channels if channel.get("label") not in (None, "")]
    colours = [
        colour for channel in channels if (colour := str(channel.get("color", "")).lstrip("#")) and _is_colour(colour)
    ]
    return tuple(labels) if len(labels) == len(channels) else (), (
        tuple(colour.upper() for colour in colours) if len(colours) == len(channels) else ()
    )


def _is_colour(text: str) -> bool:
    return len(text) == 6 and all(digit in "0123456789abcdefABCDEF" for digit in text)
