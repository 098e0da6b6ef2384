"""What Neuroglancer and napari need to show the raw and the deconvolved volumes of a finished run."""

import shlex
import socket
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np

from lightsheet.provenance import SourceImage, read_volumes
from lightsheet.store import PublishedChannel, PublishedImage, Results
from lightsheet.system import format_tunnel
from lightsheet.viewing.server import DESCRIPTION
from lightsheet.viewing.virtual_store import VirtualStore

NEUROGLANCER = "https://neuroglancer-demo.appspot.com"

KINDS = {"raw": " raw", "result": ""}
"""What a layer's name says after the channel's."""

NEUROGLANCER_TYPES = {"int8", "int16", "int32", "uint8", "uint16", "uint32", "uint64", "float32"}

PANEL = 400
"""Pixels of the screen that the longer side of a plane takes, about, when Neuroglancer opens."""

SHADER = """\
#uicontrol invlerp normalized(range=[{low!r}, {high!r}])
#uicontrol vec3 color color(default="#{colour}")
void main() {{ emitRGB(color * normalized()); }}
"""

PROGRAM = (
    "import json, neuroglancer, urllib.request, webbrowser; viewer = neuroglancer.Viewer(); "
    'viewer.set_state(json.load(urllib.request.urlopen("{url}"))); print(viewer); webbrowser.open(str(viewer))'
)

SHEARED_PROGRAM = (
    "import napari; viewer = napari.Viewer(ndisplay=3); [(setattr(layer, 'translate', [0] * 4), "
    "setattr(layer, 'affine', affine)) for stores, affine in {layers!r} "
    "for layer in viewer.open(stores, plugin='napari-ome-zarr')]; napari.run()"
)
"""Lays raw planes of a stage scan over the result; napari's own command has no word for a matrix, and without the third
dimension napari shows planes unsheared. The place of the result is set as well: some versions of the plugin lose it."""

INSTRUCTIONS = """\
{folder} can be viewed from this computer until Ctrl-C: raw channels beside deconvolved ones.

Neuroglancer, in a browser:{without}
  {neuroglancer}
Neuroglancer without the internet (needs: pip install neuroglancer):
  python -i -c {program}
napari (needs: pip install "napari[all]" napari-ome-zarr{sheared}):
  {napari}
A browser on another computer than {host}: run this there first, then open the link there.
  {tunnel}
"""


def describe_viewers(results: Results, url: str) -> str:
    """Return the links and commands that open a finished run, for a terminal.

    Its folder and what `describe_state` returns are served at `url`.
    """
    images = [read_volumes(results, kind) for kind in KINDS]
    types = {image.dtype.name for image in images if image.dtype.name not in NEUROGLANCER_TYPES}
    omission = f" (without the raw volumes: it cannot show {', '.join(types)}; napari can)" if types else ""
    return INSTRUCTIONS.format(
        without=omission,
        folder=results.folder,
        neuroglancer=f"{NEUROGLANCER}/#!{url}/{DESCRIPTION}",
        program=shlex.quote(PROGRAM.format(url=f"{url}/{DESCRIPTION}")),
        napari=_describe_napari(results, images, url),
        sheared="; raw planes of the stage scan are laid over the result" if any(i.affine for i in images) else "",
        host=socket.gethostname(),
        tunnel=format_tunnel(urlsplit(url).port or 0),
    )


def make_virtual_stores(results: Results) -> Mapping[str, VirtualStore]:
    """Return the raw stores that a run has not, by their paths in its folder; none if it has them."""
    image = read_volumes(results, "raw")
    if not isinstance(image, SourceImage):
        return {}
    return {c.store.relative_to(results.folder).as_posix(): VirtualStore(image, c) for c in image.channels}


def _describe_napari(results: Results, images: Sequence[PublishedImage], url: str) -> str:
    """Return the command that opens the stores in napari, in the places of the sample."""

    def place(image: PublishedImage, store: Path) -> str:
        """Return the path of a store, or its URL where it is made when it is asked for."""
        path = quote(store.relative_to(results.folder).as_posix())
        return f"{url}/{path}" if isinstance(image, SourceImage) else str(store)

    stores = [list(dict.fromkeys(place(image, channel.store) for channel in image.channels)) for image in images]
    if not any(image.affine for image in images):
        return shlex.join(["napari", "--plugin", "napari-ome-zarr", *chain(*stores)])
    layers = [(paths, _place_voxels(image)) for paths, image in zip(stores, images, strict=True)]
    return shlex.join(["python", "-c", SHEARED_PROGRAM.format(layers=layers)])


def _place_voxels(image: PublishedImage) -> list[list[float]]:
    """Return the matrix (5, 5) from (t, z, y, x), by interval and voxel size from the first voxel, to the sample."""
    shift = np.eye(5)
    shift[:4, 4] = image.start_seconds, *image.origin
    return [[float(value) for value in row] for row in _extend_affine(image) @ shift]


def _extend_affine(image: PublishedImage) -> np.ndarray:
    """Return the matrix (5, 5) from seconds and micrometres (t, z, y, x) of a store to those of the sample."""
    matrix = np.eye(5)
    if image.affine:
        matrix[1:4, 1:] = image.affine
    return matrix


def describe_state(results: Results, url: str) -> dict[str, Any]:
    """Describe what Neuroglancer shall show of a finished run: raw beside deconvolved, xy above xz.

    There is a layer per channel of each, in the channel's colour and contrast; none of raw volumes of a type that
    Neuroglancer does not have.

    Parameters
    ----------
    results : Results, of the run
    url : str, where the results folder is served
    """
    images = {kind: image for kind in KINDS if (image := read_volumes(results, kind)).dtype.name in NEUROGLANCER_TYPES}
    return describe_images(images, results.name, results.folder, url)


def describe_images(images: Mapping[str, PublishedImage], title: str, folder: Path, url: str) -> dict[str, Any]:
    """Describe what Neuroglancer shall show of images by kind, the last of which says where it begins.

    Their stores lie in a folder that is served at `url`.
    """
    layers = {
        kind: [_describe_layer(folder, url, image, kind, c) for c in image.channels] for kind, image in images.items()
    }
    rows = [
        {
            "type": "row",
            "children": [
                {"type": "viewer", "layers": [layer["name"] for layer in layers[kind]], "layout": plane}
                for kind in images
            ],
        }
        for plane in ("xy", "xz")
    ]
    return {
        **_describe_position(list(images.values())[-1]),
        "title": title,
        "layers": [layer for kind in images for layer in layers[kind]],
        "layout": {"type": "column", "children": rows},
        "showAxisLines": False,
    }


def _describe_layer(
    folder: Path, url: str, image: PublishedImage, kind: str, channel: PublishedChannel
) -> dict[str, Any]:
    low, high = channel.window
    store = quote(channel.store.relative_to(folder).as_posix())
    position = {"localDimensions": {"c'": [1, ""]}, "localPosition": list(channel.index)} if channel.index else {}
    return {
        "type": "image",
        "name": f"{channel.name}{KINDS[kind]}",
        "source": _describe_source(f"{url}/{store}/|zarr3:", image, channel),
        "blend": "additive",
        "opacity": 1,
        "shader": SHADER.format(low=low, high=high, colour=channel.colour),
        **position,
    }


def _describe_source(url: str, image: PublishedImage, channel: PublishedChannel) -> str | dict[str, Any]:
    """Return a store's URL, with the matrix that lays raw planes of a stage scan where they were taken.

    Neuroglancer moves by it what the store's translation has placed, unlike napari, which is told of both.
    """
    if not image.affine:
        return url
    matrix, (time, *space) = _extend_affine(image)[:4], _describe_dimensions(image).items()
    for row, size in zip(matrix[1:], image.voxel_size.values(), strict=True):
        row[4] /= size  # Neuroglancer takes shifts in voxels
    if channel.index:
        matrix = np.insert(np.insert(matrix, 1, 0, axis=0), 1, [0, 1, 0, 0, 0], axis=1)
        space = [("c'", [1, ""]), *space]
    return {"url": url, "transform": {"outputDimensions": dict([time, *space]), "matrix": matrix.tolist()}}


def _describe_dimensions(image: PublishedImage) -> dict[str, Any]:
    lengths = {axis: [image.voxel_size[axis] * 1e-6, "m"] for axis in "zyx"}
    return {"t": [image.interval, "s"] if image.interval else [1, ""], **lengths}


def _describe_position(image: PublishedImage) -> dict[str, Any]:
    """Return the axes, and the middle of the first timepoint of which no channel is missing."""
    shape, lengths = image.levels[0].shape, image.voxel_size.values()
    first = [start / size for start, size in zip(image.origin, lengths, strict=True)]
    middle = [start + (n - 1) / 2 for start, n in zip(first, shape, strict=True)]
    if image.extra:  # between two planes viewers show one of them, in a place between the two
        middle[0] = first[0] + (shape[0] - 1) // 2
    if image.affine:
        matrix = np.array(image.affine)
        middle = list((matrix[:, :3] @ (np.array(middle) * [*lengths]) + matrix[:, 3]) / [*lengths])
    holes = {timepoint for _, timepoint in image.missing}
    return {
        "dimensions": _describe_dimensions(image),
        "displayDimensions": ["x", "y", "z"],
        "position": [
            min(set(image.timepoints) - holes, default=0) + image.start_seconds / (image.interval or 1),
            *map(float, middle),
        ],
        "crossSectionScale": max(shape[1:]) / PANEL,
    }
