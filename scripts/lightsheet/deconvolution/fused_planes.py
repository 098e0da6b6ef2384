"""Sweeps B and D of engine `cpu`: planes, which are transformed back along y and x, changed, and transformed forward.

As in `fused_columns`, each thread calls a sweep once, and pieces, here planes, are taken from a counter.
"""

from lightsheet.deconvolution.fused_blocks import Placed, take_block
from lightsheet.deconvolution.fused_layout import Layout, Numbers, Room, Volumes
from lightsheet.deconvolution.fused_steps import ZERO, copy, correct, divide, extrapolate, fill, sum_changes
from lightsheet.deconvolution.lanes.jit import compiled, inlined, take
from lightsheet.deconvolution.lanes.passes import back, forward
from lightsheet.deconvolution.lanes.plan import LANES, VECTOR, Floats, Integers
from lightsheet.deconvolution.lanes.real_rows import BLOCK, join, separate

LOAD, DIVIDE, CORRECT, SUM_CHANGES, PREDICT = range(5)
"""What is done to a block of rows, see `_do_step`."""


@inlined
def _restore_rows(layout: Layout, spectrum: Floats, start: int, buffer: Floats) -> None:
    """Transform a block back along x."""
    places, mirrors = layout.places, layout.mirrors
    for group in range(layout.groups):
        place = start + group * layout.blocks * BLOCK * VECTOR
        join(spectrum, place, buffer, places, mirrors, group * LANES)
    back(layout.along_x, buffer, VECTOR, layout.width, buffer)


@inlined
def _transform_rows(layout: Layout, spectrum: Floats, start: int, buffer: Floats) -> None:
    """Transform a block along x."""
    places, mirrors = layout.places, layout.mirrors
    forward(layout.along_x, buffer, VECTOR, VECTOR, layout.width, buffer, VECTOR)
    for group in range(layout.groups):
        place = start + group * layout.blocks * BLOCK * VECTOR
        separate(buffer, places, mirrors, group * LANES, spectrum, place)


@inlined
def _take_weights(weights: Placed, z: int, y: int, room: Room) -> None:
    """Write the weights of a block, unless they are those of the block before, as in the middle of the volume."""
    is_same = True
    for lane in range(BLOCK):
        row = weights.rows[y + lane]
        start = weights.planes[z] + row if row >= 0 else -1
        is_same &= room.offsets[BLOCK + lane] == start
        room.offsets[BLOCK + lane] = start
    if not is_same:
        take_block(weights, z, y, room.offsets, room.side, 0)


@inlined
def _do_step(
    layout: Layout, volumes: Volumes, numbers: Numbers, step: int, is_first: bool, is_last: bool, z: int, y: int,
    room: Room,
) -> None:  # fmt: skip
    """Do a step to the block that begins at (z, y); its rows are in the buffer, and stay there.

    LOAD writes them, also as the first estimate where there is one. DIVIDE takes for the rows the flat estimate if
    `is_first`. PREDICT, which CORRECT goes on to unless `is_last`, writes the next prediction.
    """
    size, voxels = layout.width * VECTOR, (z * layout.blocks * BLOCK + y) * layout.width
    rows = room.buffer[VECTOR : VECTOR + size]
    estimate, previous = volumes.estimate[voxels : voxels + size], volumes.previous[voxels : voxels + size]
    if step == LOAD:
        take_block(volumes.image, z, y, room.offsets, room.buffer, VECTOR)
        copy(rows, estimate)
    elif step == DIVIDE:
        take_block(volumes.image, z, y, room.offsets, room.side, 0)
        if is_first:  # the blur of a flat estimate is flat
            fill(rows, numbers.flat)
        divide(rows, room.side, numbers.threshold)
    elif step == SUM_CHANGES:
        _take_weights(volumes.weights, z, y, room)
        place = (z * layout.blocks * BLOCK + y) * 2
        sums, change = volumes.sums[place : place + 2 * BLOCK], volumes.change[voxels : voxels + size]
        sum_changes(rows, room.side, numbers.floor, estimate, change, sums)
    elif step == CORRECT:
        _take_weights(volumes.weights, z, y, room)
        correct(rows, room.side, numbers.floor, estimate)
    if step == PREDICT or (step == CORRECT and not is_last):
        extrapolate(estimate, previous, numbers.alpha)
        copy(estimate, rows)


@compiled
def sweep_planes(
    counter: Integers, room: Room, layout: Layout, volumes: Volumes, numbers: Numbers, planes: int, rows: int,
    step: int, restores: bool, transforms: bool,
) -> None:  # fmt: skip
    """Do a step to the first `rows` rows of `planes` planes.

    If it `restores`, their spectrum is transformed back before; if it `transforms`, they are transformed after.
    """
    column_size, along_y, spectrum, buffer = (
        layout.blocks * BLOCK * VECTOR,
        layout.along_y,
        volumes.spectrum,
        room.buffer,
    )
    room.offsets[BLOCK] = -2  # no weights are in the room
    z = take(counter)
    while z < planes:
        plane = z * layout.stride
        if restores:
            wanted = min(layout.rows, -(-rows // BLOCK) * BLOCK)
            for start in range(plane, plane + layout.stride, column_size):
                back(along_y, spectrum, start, wanted, buffer)
                fill(spectrum[start + layout.rows * VECTOR : start + column_size], ZERO)  # no rows, but in a block
        for y in range(0, rows, BLOCK):
            start = plane + y * VECTOR
            if restores:
                _restore_rows(layout, spectrum, start, buffer)
            _do_step(layout, volumes, numbers, step, not restores, not transforms, z, y, room)
            if transforms:
                _transform_rows(layout, spectrum, start, buffer)
        if transforms:
            for start in range(plane, plane + layout.stride, column_size):
                forward(along_y, spectrum, start, VECTOR, rows, spectrum, start)
        z = take(counter)
