"""Raw images that no run has read yet, for viewers: nothing is written, and a chunk is read when one asks for it."""

import shlex
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import numpy as np

from lightsheet.provenance import SourceImage
from lightsheet.run import Run
from lightsheet.sources import open_mosaic
from lightsheet.store import PublishedChannel, describe_channels, make_shape, plan_levels
from lightsheet.system import InputError, format_tunnel
from lightsheet.viewing.server import DESCRIPTION
from lightsheet.viewing.viewer import NEUROGLANCER, NEUROGLANCER_TYPES, PROGRAM, describe_images
from lightsheet.viewing.virtual_store import VirtualStore

CONTRAST = 1, 99.8
"""Percentiles of the middle plane that are shown black and in full colour."""

RAW_INSTRUCTIONS = """\
The raw images can be viewed from this computer until Ctrl-C. Nothing is written.{scale}

Neuroglancer, in a browser:
  {neuroglancer}
Neuroglancer without the internet (needs: pip install neuroglancer):
  python -i -c {program}
napari (needs: pip install "napari[all]" napari-ome-zarr):
  {napari}
A browser on another computer than {host}: run this there first, then open the link there.
  {tunnel}

Places are in voxels from 0, volumes have {shape}. A part that you have chosen there, such as the middle, is written so:
  pilot: {{timepoint: {timepoint}, crop: {crop}}}
    `snakemake pilot` tries iterations on it
  input: {{..., select: {{timepoints: "{timepoint}:{next}", {select}}}}}
    runs deconvolve nothing else (the end is not included)
"""


class RawView(NamedTuple):
    """Images as viewers see them, in a folder of which no file exists; `has_size` if the voxel size is known."""

    folder: Path
    image: SourceImage
    has_size: bool

    @property
    def stores(self) -> Mapping[str, VirtualStore]:
        """A store per channel, by its path in the folder."""
        return {c.store.relative_to(self.folder).as_posix(): VirtualStore(self.image, c) for c in self.image.channels}


def make_raw_view(run: Run, voxel_size: Mapping[str, float], folder: Path) -> RawView:
    """Describe the raw volumes of a run that has not begun.

    Parameters
    ----------
    run : Run
    voxel_size : mapping, z, y and x in micrometre, as far as known: else voxels are shown as cubes
    folder : Path, an empty one, which is served

    Raises
    ------
    InputError
        If Neuroglancer cannot show the type of the pixels, or those from which the contrast is taken cannot be read.
    """
    if run.dtype not in NEUROGLANCER_TYPES:
        raise InputError(f"{run.acquisition.folder}: Neuroglancer cannot show pixels of {run.dtype}")
    sizes = dict(voxel_size) if set(voxel_size) >= set("zyx") else dict.fromkeys("zyx", 1.0)
    windows = {channel: _measure_window(run, channel) for channel in run.channels}
    omero = describe_channels(run.acquisition.wavelengths, windows, run.acquisition.colours)["channels"]
    channels = [PublishedChannel(entry, folder / "raw" / f"{entry['label']}.ome.zarr", ()) for entry in omero]
    image = SourceImage(
        run.acquisition.folder.resolve().name,
        tuple(channels),
        levels=plan_levels(make_shape(run.shape), sizes),
        voxel_size=sizes,
        dtype=np.dtype(run.dtype),
        interval=run.acquisition.interval,
        seconds=run.acquisition.seconds or (None,) * run.acquisition.timepoints,
        missing=frozenset(run.acquisition.holes),
        open_volume=lambda channel, t: open_mosaic(run.list_volume_tiles(channel, t), run.shape, run.dtype),
    )
    return RawView(folder, image, set(voxel_size) >= set("zyx"))


def _measure_window(run: Run, channel: str) -> tuple[float, float, float, float]:
    """Measure the range, and what is shown of it, of the middle plane of a channel's first volume."""
    timepoint = next(v.timepoint for v in run.acquisition.volumes if v.channel == channel and v.tiles)
    middle = run.shape[0] // 2
    with open_mosaic(run.list_volume_tiles(channel, timepoint), run.shape, run.dtype) as volume:
        plane = volume[middle : middle + 1, : run.shape[1]]
    finite = plane[np.isfinite(plane)] if plane.dtype.kind == "f" else plane
    if not finite.size:
        return 0, 1, 0, 1
    start, end = np.percentile(finite, CONTRAST)
    return float(finite.min()), float(finite.max()), float(start), float(end)


def describe_raw_state(view: RawView, url: str) -> dict[str, Any]:
    """Describe what Neuroglancer shall show of raw images, served at a URL: a layer per channel, xy above xz."""
    state = describe_images({"raw": view.image}, view.image.name, view.folder, url)
    return state if view.has_size else {**state, "showScaleBar": False}


def describe_raw_viewers(view: RawView, url: str) -> str:
    """Return the links and commands that open raw images, and how a part of them is written in a configuration."""
    z, y, x = view.image.levels[0].shape
    names = [channel.name for channel in view.image.channels]
    first = next(t for t in view.image.timepoints if any((name, t) not in view.image.missing for name in names))
    spans = {axis: [n // 4, n - n // 4] for axis, n in zip("zyx", (z, y, x), strict=True)}
    parts = ", ".join(f"{axis}: {span}" for axis, span in spans.items())
    napari = ["napari", "--plugin", "napari-ome-zarr", *(f"{url}/{quote(place)}" for place in view.stores)]
    return RAW_INSTRUCTIONS.format(
        scale="" if view.has_size else "\nTheir voxel size is not known: voxels are shown as cubes.",
        neuroglancer=f"{NEUROGLANCER}/#!{url}/{DESCRIPTION}",
        program=shlex.quote(PROGRAM.format(url=f"{url}/{DESCRIPTION}")),
        napari=shlex.join(napari),
        host=socket.gethostname(),
        tunnel=format_tunnel(urlsplit(url).port or 0),
        shape=f"z 0 to {z - 1}, y 0 to {y - 1}, x 0 to {x - 1}",
        timepoint=first,
        next=first + 1,
        crop=f"{{{parts}}}",
        select=parts,
    )
