"""Blocks of rows: between a volume (z, y, x) and the vectors that are transformed along x.

A block is 2 `LANES` rows as complex vectors, one for each x: lane l holds rows l and `LANES` + l.
"""

import numpy as np

from lightsheet.deconvolution.fused_layout import Layout, Placed, Room
from lightsheet.deconvolution.lanes.jit import inlined, part, take
from lightsheet.deconvolution.lanes.plan import BLOCK, LANES, VECTOR, Floats, Integers
from lightsheet.deconvolution.lanes.real_rows import give_columns, take_columns


@part
def take_block(placed: Placed, z: int, y: int, offsets: Integers, vectors: Floats, start: int) -> None:
    """Write the block that begins at (z, y) of the cyclic array; the first `BLOCK` of `offsets` are written over."""
    is_whole = True
    for lane in range(BLOCK):
        is_there = placed.planes[z] >= 0 and placed.rows[y + lane] >= 0
        offsets[lane] = placed.planes[z] + placed.rows[y + lane] if is_there else -1
        is_whole &= is_there
    x = 0
    while x < len(placed.columns):
        column, target = placed.columns[x], start + x * VECTOR
        if x > 0 and column == placed.columns[x - 1]:
            for lane in range(BLOCK):
                vectors[target + lane] = vectors[target - VECTOR + lane]
        elif is_whole and placed.runs[x] >= LANES:
            take_columns(placed.source, offsets, 0, column, vectors, target)
            x += LANES - 1
        else:
            for lane in range(BLOCK):
                is_there = column >= 0 and offsets[lane] >= 0
                vectors[target + lane] = placed.source[offsets[lane] + column] if is_there else np.float32(0)
        x += 1


@inlined
def give_block(vectors: Floats, start: int, width: int, offsets: Integers, target: Floats) -> None:
    """Write `width` voxels of each row of a block to its offset in the target; rows at -1 are not written."""
    is_whole = True
    for lane in range(BLOCK):
        is_whole &= offsets[lane] >= 0
    for x in range(0, width, LANES):
        place = start + x * VECTOR
        if is_whole and x + LANES <= width:
            give_columns(vectors, place, target, offsets, 0, x)
            continue
        for lane in range(BLOCK):
            for k in range(min(LANES, width - x) if offsets[lane] >= 0 else 0):
                target[offsets[lane] + x + k] = vectors[place + k * VECTOR + lane]


def sweep_result(
    counter: Integers, room: Room, layout: Layout, estimate: Floats, z: int, y: int, x: int, planes: int, rows: int,
    width: int, target: Floats,
) -> None:  # fmt: skip
    """Write what begins at (z, y, x) of the cyclic array as a volume of `planes`, `rows`, `width`."""
    plane = take(counter)
    while plane < planes:
        for block in range(layout.blocks):
            for lane in range(BLOCK):
                row = block * BLOCK + lane - y
                room.offsets[lane] = (plane * rows + row) * width if 0 <= row < rows else -1
            start = (((z + plane) * layout.blocks + block) * layout.width + x) * VECTOR
            give_block(estimate, start, width, room.offsets, target)
        plane = take(counter)
