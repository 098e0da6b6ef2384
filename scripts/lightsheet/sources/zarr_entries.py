"""The images that a Zarr store holds: OME-NGFF's, those of plates and of bioformats2raw's layout, and plain arrays."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lightsheet.sources.zarr_array import read_array, read_node
from lightsheet.sources.zarr_folder import is_zarr
from lightsheet.system import InputError, escape_name, join_first

DEPTH = 3
"""How deep groups are looked through for images in a store without metadata of OME-NGFF."""

MOST_LISTED = 12
"""Images in a sentence."""


class StoredEntry(NamedTuple):
    """An image of a store, or an array."""

    name: str  # as a person would choose it
    folder: Path
    multiscale: Mapping[str, Any] | None  # None of a plain array
    omero: Mapping[str, Any]


def is_readable(store: Path) -> bool:
    """Tell whether the metadata of a store is there and whole, as it may not be yet while it is created."""
    try:
        entries = list(_list_images(store, store, DEPTH))
        for entry in entries:
            if entry.multiscale is None:
                read_array(entry.folder)
            else:
                read_array(step_into(entry.folder, entry.multiscale["datasets"][0]["path"]))
    except (InputError, KeyError, TypeError, AttributeError, IndexError):
        return False
    return bool(entries)


def choose_image(store: Path, image: int | str) -> StoredEntry:
    """Return an image of a store by its number or path, or the only one (auto); InputError with a list otherwise."""
    try:
        entries = list(_list_images(store, store, DEPTH))
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        cause = escape_name(f"{type(error).__name__}: {error}")[:200]
        raise InputError(f"{store}: its OME-NGFF metadata is damaged ({cause}); copy the store again") from error
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


def _list_images(store: Path, folder: Path, depth: int) -> Iterator[StoredEntry]:
    """Yield the images of a store, in the order of its metadata."""
    array, attributes = read_node(folder)
    name = folder.relative_to(store).as_posix() if folder != store else "."
    if array is not None:
        yield StoredEntry(name, folder, None, {})
        return
    ome = attributes.get("ome", attributes)
    if "multiscales" in ome:
        labels = [str(multiscale.get("name", "")) for multiscale in ome["multiscales"]]  # navigate's stage positions
        is_named = len({*labels}) == len(labels) > 1 and all(labels)
        for number, multiscale in enumerate(ome["multiscales"]):
            label = labels[number] if is_named else f"{name}#{number}" if len(labels) > 1 else name
            yield StoredEntry(label, folder, multiscale, ome.get("omero") or {})
        return
    if "plate" in ome:
        paths = [step_into(folder, well["path"]) for well in ome["plate"]["wells"]]
    elif "well" in ome:
        paths = [step_into(folder, image["path"]) for image in ome["well"]["images"]]
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
            return [step_into(folder, path) for path in series]
    return sorted((path for path in folder.iterdir() if path.name.isdecimal()), key=_make_key)


def _make_key(path: Path) -> tuple[int, str]:
    return (int(path.name), "") if path.name.isdecimal() and path.name.isascii() else (2**63, path.name)


def step_into(folder: Path, path: str) -> Path:
    """Return a place in a store; InputError if metadata names one outside of it."""
    parts = path.strip("/").split("/") if isinstance(path, str) else [".."]
    if ".." in parts or "\0" in path:
        raise InputError(f"{folder}: its metadata names {path!r}, which is not in it; copy the store again")
    return folder.joinpath(*(part for part in parts if part not in ("", ".")))
