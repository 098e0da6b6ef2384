"""How engine `cpu` keeps the volumes of one deconvolution, and what its sweeps need to know.

The spectrum is (z, k, y, vector): vector (z, k, y) holds frequencies k `LANES` and following of the row at (z, y).
Where a few frequencies remain, such as that of Nyquist, vectors of their own would be nearly empty; of each such
frequency the lanes of a vector are adjoining y instead, so that a plane ends with its tail: (k, y / `LANES`, vector).
Along y and z the spectrum is in the order in which the forward transforms leave it, and so is the OTF. The estimate is
(z, block of rows, x, vector); a block is 2 `LANES` rows as complex vectors, see `fused_blocks`. All arrays are flat.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lightsheet.deconvolution.lanes.plan import (
    BLOCK,
    LANES,
    VECTOR,
    Array,
    Doubles,
    FixedFloats,
    Floats,
    Integers,
    Plan,
    make_plan,
    order_frequencies,
)
from lightsheet.deconvolution.padding import Shape

GROUP = 8
"""Columns that are transformed along z together: of each plane they take 1 kB, which adjoins."""

LONGEST_TAIL = LANES // 4
"""More frequencies than these are a group that is not full: to spread them along y, one by one, would cost more."""

LOAD, DIVIDE, CORRECT, SUM_CHANGES, PREDICT = range(5)
"""What is done with a block of rows: it is written, the image is divided by it, the estimate is multiplied by it,
likewise with the sums that "biggs" needs, or it becomes the prediction from the estimate, to which CORRECT goes on."""


class Layout(NamedTuple):
    """The cyclic array, and its spectrum."""

    planes: int
    rows: int
    width: int
    blocks: int  # of rows
    groups: int  # of frequencies, `LANES` each
    tail: int  # frequencies after these, fewer than `LANES`
    tail_columns: int  # that they take along z
    tail_start: int  # where they begin in a plane of the spectrum
    stride: (
        int  # float32 between two planes of the spectrum; with a gap, lest a column fill one part of the caches only
    )
    along_z: Plan
    along_y: Plan
    along_x: Plan
    places: Integers  # where in the transform of a row a frequency is
    mirrors: Integers  # and its negative; 0, which is read and written for nothing, where there are no more frequencies


class Placed(NamedTuple):
    """A volume in a cyclic array: at (z, y, x) is its voxel `planes[z] + rows[y] + columns[x]`, or 0 if one is -1."""

    source: FixedFloats
    planes: Integers
    rows: Integers  # as many as blocks have
    columns: Integers
    runs: Integers  # how many columns, from this one on, follow each other in the source


class Volumes(NamedTuple):
    """The arrays of one deconvolution; one that is not needed is empty."""

    spectrum: Floats
    otf: Floats  # (k, y, z, vector), then that of the tail, divided by 2 and by the number of voxels
    image: Placed  # what was measured; or, to start with, what is to be transformed
    weights: Placed
    masked_weights: Floats  # those of a mask, laid out as the estimate
    estimate: Floats
    previous: Floats  # the estimate before, for momentum
    change: Floats  # what the last iteration changed, for "biggs"
    sums: Doubles  # (z, block, 2 `BLOCK`), for "biggs"


class Numbers(NamedTuple):
    """What the steps need to know."""

    threshold: np.float32  # a quotient by less is 0
    floor: np.float32  # no factor is less
    flat: np.float32  # the first estimate, where it is flat
    alpha: np.float32  # how far predictions go, see `momentum`


class Room(NamedTuple):
    """The memory of a thread."""

    buffer: Floats  # for transforms: of a block along x, or of columns along z. Its first vector may hold anything
    side: Floats  # what a block is divided by or multiplied with
    tail: Floats  # (y, vector): the tail of a plane, as a group
    offsets: Integers  # where rows begin: those of the present block, and those whose weights are in `side`


def make_layout(shape: Shape) -> Layout:
    """Lay out a cyclic array (z, y, x)."""
    planes, rows, width = shape
    frequencies, blocks = width // 2 + 1, -(-rows // BLOCK)
    groups, tail = count_groups(frequencies)
    tail_columns, tail_start = tail * -(-rows // LANES), groups * blocks * BLOCK * VECTOR
    vector_of = np.empty(width, np.int64)
    vector_of[order_frequencies(width)] = np.arange(1, width + 1)  # the first vector of a buffer is none
    k = np.arange((groups + 1) * LANES)
    places, mirrors = (np.where(k < frequencies, VECTOR * vector_of[sign * k % width], 0) for sign in (1, -1))
    return Layout(
        planes,
        rows,
        width,
        blocks,
        groups,
        tail,
        tail_columns,
        tail_start,
        stride=tail_start + (-(-tail_columns // BLOCK) * BLOCK + GROUP) * VECTOR,
        along_z=make_plan(planes),
        along_y=make_plan(rows),
        along_x=make_plan(width),
        places=places,
        mirrors=mirrors,
    )


def count_groups(frequencies: int) -> tuple[int, int]:
    """Return how many groups there are, and how many frequencies are the tail after them."""
    groups, tail = divmod(frequencies, LANES)
    return (groups, tail) if tail <= LONGEST_TAIL else (groups + 1, 0)


def count_padded_voxels(layout: Layout) -> int:
    """Return the voxels of the estimate, whose rows fill blocks."""
    return layout.planes * layout.blocks * BLOCK * layout.width


def place_volume(volume: Array, indices: Sequence[Array]) -> Placed:
    """Place float32 (z, y, x): along each axis of the cyclic array, `indices` say which voxel is there, or -1."""
    z, y, x = (np.asarray(index, np.int64) for index in indices)
    _, height, width = volume.shape
    y = np.concatenate([y, np.full(-len(y) % BLOCK, -1)])
    runs = np.ones(len(x), np.int64)
    for k in range(len(x) - 2, -1, -1):
        if x[k] >= 0 and x[k + 1] == x[k] + 1:
            runs[k] = runs[k + 1] + 1
    planes, rows = np.where(z < 0, -1, z * height * width), np.where(y < 0, -1, y * width)
    source = np.ascontiguousarray(volume, np.float32).reshape(-1).view()
    source.flags.writeable = False  # as those of Dask may be: compiled code is for one type
    return Placed(source, planes, rows, x, runs)
