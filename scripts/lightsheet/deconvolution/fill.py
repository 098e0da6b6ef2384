"""Fill: the one value that an image holds where it was never measured, told from darkness and from saturation.

Lines of pixels along x and y that begin, at a border of the image, with a run of exactly one value are followed over
the run's end. What was cut off ends as a cliff: beside it pixels are as bright as farther inside. What a camera
measured ends as a slope, for the microscope blurs: darkness that was cut off at 0, or saturation, goes on in pixels
that are near the value, and more and more seldom equal to it. And fill is a value that measured pixels hardly ever
have, or have by chance, here and there, as noise does; where measured darkness is solid too, the two cannot be told
apart.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lightsheet.deconvolution.measured import LEAST_RUN, Array, find_data, find_measured, measure_runs

LEAST_SHARE = 1e-3
"""Share of the voxels from which on a value may be fill: a few pixels at a border are none."""

LARGE_SHARE = 0.05
"""Share of the voxels from which on one value at the borders is worth a word, whatever it is."""

LONG_RUN = 2 * LEAST_RUN
"""Voxels: most runs are longer of a value that measured voxels have, too; noise makes few of them so long."""

MOST_VALUES = 4
"""The most values that are looked at: those most frequent along the borders."""

MOST_VOXELS = 4_000_000
"""The most voxels of a timepoint that are looked at; of larger ones, only some planes are."""

MOST_PIXELS = 200_000
"""The most pixels of a timepoint whose brightness is compared."""

MOST_LINES = 500
"""The most lines of a plane that are followed from each border."""

DEPTH = 16
"""Pixels that a line is followed beyond its run of fill."""

BESIDE, INTERIOR = slice(2, 5), slice(8, DEPTH)
"""Pixels beyond the run: those beside it, but for mixtures by interpolation, and those farther inside."""

MOST_RIM = 2
"""Voxels beside fill that may be mixtures, by interpolation."""


class Fill(NamedTuple):
    """What was never measured holds one of `values`; none of them if everything was measured."""

    values: tuple[float, ...] = ()
    rim: int = 0  # voxels beside them that are mixtures
    share: float = 0.0  # of the voxels, on average over the timepoints
    doubtful: tuple[tuple[float, float], ...] = ()  # values and their shares that may be fill, or measured


class Trace(NamedTuple):
    """What an image shows of one value."""

    share: float  # of the voxels, in runs from the borders
    blank: float  # of the planes, which are of that value
    length: float  # of a run, typically
    lines: Array  # (n, `DEPTH`), pixels beyond runs
    windows: Array  # (n, `LEAST_RUN`), neighbours along x that were measured, some of them


def find_fill(images: Sequence[Array]) -> Fill:
    """Find out what stands where images were never measured.

    Parameters
    ----------
    images : sequence of array (z, y, x), all planes or some of a few timepoints, or a PSF's image
    """
    images = [_thin(image) for image in images]
    traces = {value: [_trace(image, value) for image in images] for value in _list_candidates(images)}
    values, doubtful = [], []
    for value, all_traces in traces.items():
        live = [trace for trace in all_traces if trace.share < 1]  # a frame of one value says nothing
        share = float(np.mean([trace.share for trace in live])) if live else 0.0
        frequent = [trace for trace in live if trace.share >= LEAST_SHARE]
        fill = [trace for trace in frequent if _is_fill(trace, value)]
        is_apart = all(_is_isolated(trace.windows, value) for trace in fill)  # then a few volumes were shifted
        if share < LEAST_SHARE or (2 * len(frequent) < len(live) and not (fill and is_apart)):
            continue
        if 2 * len(fill) > len(frequent):
            values.append(value)
        elif share >= LARGE_SHARE and any(value < trace.windows.mean() for trace in frequent if trace.windows.size):
            doubtful.append((value, share))
    return _describe(images, values, traces)._replace(doubtful=tuple(doubtful))


def describe_fill(images: Sequence[Array], values: Sequence[float]) -> Fill:
    """Measure the share of some values that are known to be fill, and the mixtures beside them, as `find_fill` does."""
    images = [_thin(image) for image in images]
    return _describe(images, values, {value: [_trace(image, value) for image in images] for value in values})


def _describe(images: Sequence[Array], values: Sequence[float], traces: Mapping[float, Sequence[Trace]]) -> Fill:
    if not values:
        return Fill()
    rims = [_measure_rim(trace, value) for value in values for trace in traces[value] if len(trace.lines)] or [0]
    measured = [(find_measured(image, values), image.size) for image in images]
    shares = [1 - mask.count() / size if mask else 0.0 for mask, size in measured]
    live = [share for share in shares if share < 1] or shares
    return Fill(tuple(values), int(np.median(rims)), float(np.mean(live)))


def _thin(image: Array) -> Array:
    return image[:: -(-image.size // MOST_VOXELS)]


def _list_candidates(images: Sequence[Array]) -> list[float]:
    """List the values that runs from the borders have, the most frequent first."""
    counts: Counter[float] = Counter()
    for image in images:
        for lines in _list_lines(image):
            start = lines[..., : min(LEAST_RUN, lines.shape[-1])]
            runs = start[(start == start[..., :1]).all(axis=-1)][:, 0]
            values, numbers = np.unique(runs, return_counts=True)
            counts.update(dict(zip(values.tolist(), numbers.tolist(), strict=True)))
    return [value for value, _ in counts.most_common(MOST_VALUES)]


def _list_lines(image: Array) -> list[Array]:
    """Return the image's lines along x and y, each from both ends."""
    columns = image.swapaxes(1, 2)
    return [image, image[..., ::-1], columns, columns[..., ::-1]]


def _trace(image: Array, value: float) -> Trace:
    measured = find_measured(image, [value], MOST_RIM + 1)
    traces = [_follow_lines(plane, value) for lines in _list_lines(image) for plane in lines]
    runs, lines = (np.concatenate(parts) for parts in zip(*traces, strict=True))
    width = image.shape[2] // LEAST_RUN * LEAST_RUN
    mask = np.stack(list(measured)) if measured else np.ones(image.shape, bool)
    windows, valid = (array[..., :width].reshape(-1, LEAST_RUN) for array in (image, mask))
    rows = np.flatnonzero(valid.all(axis=1))
    rows = rows[:: 1 + rows.size * LEAST_RUN // MOST_PIXELS]
    return Trace(
        1 - np.count_nonzero(mask) / mask.size,
        float(np.mean([bool((plane == value).all()) for plane in image])),
        float(np.median(runs)) if len(runs) else 0.0,
        lines.astype(np.float64),
        windows[rows].astype(np.float64),
    )


def _follow_lines(plane: Array, value: float) -> tuple[Array, Array]:
    """Return the runs of a value that the rows of a plane begin with, and the pixels beyond them."""
    runs, _ = measure_runs(find_data(plane, [value]))
    rows = np.flatnonzero((runs >= LEAST_RUN) & (runs + DEPTH <= plane.shape[1]))
    rows = rows[:: 1 + len(rows) // MOST_LINES]
    return runs[rows], plane[rows[:, None], runs[rows, None] + np.arange(DEPTH)]


def _is_fill(trace: Trace, value: float) -> bool:
    if not trace.windows.size:
        return False
    is_alone = _is_isolated(trace.windows, value)
    if len(trace.lines) < LEAST_RUN:
        return is_alone and trace.blank > 0 and value < trace.windows.min()
    is_alone = is_alone and bool(np.mean(trace.lines == value) < 0.05)
    is_solid = trace.length >= LONG_RUN and _is_scattered(trace.windows, value)
    return _is_cliff(trace.lines, value) and (is_alone or is_solid)


def _is_isolated(pixels: Array, value: float) -> bool:
    """Tell whether measured voxels keep away from the value: a camera's offset does from 0."""
    distance = np.abs(pixels - value)
    dark = np.percentile(distance, 2)
    return bool(dark > 0 and np.mean(distance <= dark / 2) < 1e-3)


def _is_cliff(lines: Array, value: float) -> bool:
    """Tell whether pixels beside the run are as far from its value as those inside, and equal to it as often."""
    distance = np.abs(lines - value)
    interior = np.median(distance[:, INTERIOR])
    noise = np.median(np.abs(np.diff(distance[:, INTERIOR], axis=1)))
    first, second, beside = (np.median(distance[:, place]) for place in (1, 2, BESIDE))
    equal_near, equal_far = np.mean(distance[:, BESIDE] == 0), np.mean(distance[:, INTERIOR] == 0)
    is_steep = first >= 0.5 * interior - noise and min(second, beside) >= 0.75 * interior - noise
    is_level = interior >= 0.5 * beside - noise  # no small thing in the dark
    return bool(is_steep and is_level and equal_near <= 0.8 and abs(equal_near - equal_far) <= 0.15)


def _is_scattered(windows: Array, value: float) -> bool:
    """Tell whether measured voxels have the value as noise does, here and there: darkness never is solid."""
    density = np.mean(windows == value, axis=1)
    is_amid = min(np.mean(windows < value), np.mean(windows > value)) >= 0.005
    return bool(np.mean(density == 1) < 0.02 and (is_amid or density.mean() >= 0.01))


def _measure_rim(trace: Trace, value: float) -> int:
    """Count the pixels beside runs that are mixtures: nearer to the fill than what was measured is."""
    if len(trace.lines) < LEAST_RUN or not trace.windows.size or not _is_isolated(trace.windows, value):
        return 0
    dark = np.percentile(np.abs(trace.windows - value), 1)
    nearer = np.mean(np.abs(trace.lines[:, :MOST_RIM] - value) < dark, axis=0)
    return int(np.argmin(np.append(nearer > 0.1, False)))
