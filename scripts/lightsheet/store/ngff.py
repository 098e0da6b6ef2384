"""OME-NGFF 0.5 metadata of a store: axes, scales, channel names, colours, contrast windows."""

from collections.abc import Mapping, Sequence
from typing import Any

from lightsheet.store.pyramid import Level

NGFF_VERSION = "0.5"

COLOURS = (
    (430, "8000FF"),
    (470, "0060FF"),
    (500, "00FF40"),
    (530, "80FF00"),
    (580, "FFC000"),
    (620, "FF4000"),
)
"""Excitation wavelength in nm below which a channel has this colour, RRGGBB; longer ones are red."""

OTHER_COLOURS = ("00FF00", "FF00FF", "00FFFF", "FFFF00")
"""Colours of channels whose wavelength is unknown, in order."""


def describe_multiscales(
    name: str,
    axes: str,
    levels: Sequence[Level],
    voxel_size: Mapping[str, float],
    interval: float | None,
    origin: Sequence[float] = (0, 0, 0),
    start_seconds: float = 0.0,
) -> list[dict[str, Any]]:
    """Describe a pyramid: the value of the key `multiscales`.

    Parameters
    ----------
    name : str, of the image
    axes : str, `tczyx`, or some of these in this order, with `zyx`
    levels : sequence of Level, the full resolution first
    voxel_size : mapping, `z`, `y`, `x` of the full resolution in micrometre
    interval : float or None, seconds from one timepoint to the next, if known
    origin : sequence of float, place of the first voxel's centre, (z, y, x) in micrometre
    start_seconds : float, time of the first timepoint, where the interval is known
    """
    start = dict(zip("zyx", origin, strict=True))
    time = {"type": "time", "unit": "second"} if interval else {"type": "time"}
    types = {"t": time, "c": {"type": "channel"}}
    space = {"type": "space", "unit": "micrometer"}
    datasets = []
    for number, level in enumerate(levels):
        factor = dict(zip("zyx", level.factor, strict=True))
        steps = {axis: voxel_size[axis] * factor[axis] for axis in factor} | {"t": float(interval or 1)}
        scale = [steps.get(axis, 1.0) for axis in axes]
        # The centre of a coarse voxel is the centre of the voxels that it averages.
        offset = [start[axis] + voxel_size[axis] * (factor[axis] - 1) / 2 if axis in factor else 0.0 for axis in axes]
        if interval and "t" in axes:
            offset[axes.index("t")] = start_seconds
        transformations: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
        if number or any(offset):
            transformations.append({"type": "translation", "translation": offset})
        datasets.append({"path": str(number), "coordinateTransformations": transformations})
    axis_entries = [{"name": axis, **types.get(axis, space)} for axis in axes]
    return [{"name": name, "axes": axis_entries, "datasets": datasets, "type": "mean"}]


def describe_channels(
    wavelengths: Mapping[str, int | None],
    windows: Mapping[str, tuple[float, float, float, float]],
    colours: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Describe how a viewer should show each channel: the value of `omero`.

    Parameters
    ----------
    wavelengths : mapping, nm or None, by the channel's name, of all channels, on which the colours of some depend
    windows : mapping, (min, max, start, end): the data's range, and the values shown black and in full colour
    colours : mapping, optional, RRGGBB of channels of which the source says them
    """
    channels = []
    for number, (name, wavelength) in enumerate(wavelengths.items()):
        if name not in windows:
            continue
        low, high, start, end = map(float, windows[name])
        window = {"min": low, "max": _widen(low, high), "start": start, "end": _widen(start, end)}
        if colours and name in colours:
            colour = colours[name]
        elif wavelength is None:
            colour = OTHER_COLOURS[number % len(OTHER_COLOURS)]
        else:
            colour = next((colour for limit, colour in COLOURS if wavelength < limit), "FF0000")
        channels.append({"label": name, "color": colour, "active": True, "coefficient": 1, "window": window})
    return {"version": NGFF_VERSION, "channels": channels, "rdefs": {"model": "color"}}


def _widen(low: float, high: float) -> float:
    """Return the end of a range, or one beyond its start where all values are equal; 1 may be lost in a large value."""
    return high if high > low else low + max(1.0, abs(low))
