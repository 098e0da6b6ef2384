"""Sweeps B and D of engine `cpu`: planes, which are transformed back along y and x, changed, and transformed forward.

As in `fused_columns`, each thread calls a sweep once, and pieces, here planes, are taken from a counter.
"""

from lightsheet.deconvolution.fused_blocks import take_block
from lightsheet.deconvolution.fused_kernels import correct_between, divide_between
from lightsheet.deconvolution.fused_layout import (
    CORRECT,
    DIVIDE,
    LOAD,
    PREDICT,
    Layout,
    Numbers,
    Placed,
    Room,
    Volumes,
)
from lightsheet.deconvolution.fused_steps import ZERO, copy, correct, divide, extrapolate, fill, sum_changes
from lightsheet.deconvolution.fused_tail import pack_tail, spread_tail
from lightsheet.deconvolution.lanes.jit import inlined, take
from lightsheet.deconvolution.lanes.passes import (
    back,
    forward,
    pass_back,
    pass_blocks_back,
    pass_blocks_forward,
    pass_forward,
)
from lightsheet.deconvolution.lanes.plan import BLOCK, LANES, VECTOR, Floats, Integers
from lightsheet.deconvolution.lanes.real_rows import join, separate


@inlined
def _join_rows(layout: Layout, spectrum: Floats, plane: int, y: int, room: Room) -> None:
    """Transform a block back along x, but for the last step."""
    plan, places, mirrors, buffer = layout.along_x, layout.places, layout.mirrors, room.buffer
    for group in range(layout.groups):
        place = plane + (group * layout.blocks * BLOCK + y) * VECTOR
        join(spectrum, place, buffer, places, mirrors, group * LANES)
    if layout.tail > 0:
        join(room.tail, y * VECTOR, buffer, places, mirrors, layout.groups * LANES)
    pass_blocks_back(plan, len(plan.radices), buffer, VECTOR, plan.radices[0])


@inlined
def _separate_rows(layout: Layout, spectrum: Floats, plane: int, y: int, room: Room) -> None:
    """Transform a block along x, but for the first step."""
    plan, places, mirrors, buffer = layout.along_x, layout.places, layout.mirrors, room.buffer
    pass_blocks_forward(plan, len(plan.radices), buffer, VECTOR, plan.radices[0])
    for group in range(layout.groups):
        place = plane + (group * layout.blocks * BLOCK + y) * VECTOR
        separate(buffer, places, mirrors, group * LANES, spectrum, place)
    if layout.tail > 0:
        separate(buffer, places, mirrors, layout.groups * LANES, room.tail, y * VECTOR)


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
def _start_rows(layout: Layout, volumes: Volumes, numbers: Numbers, step: int, z: int, y: int, room: Room) -> None:
    """Write the block that begins at (z, y) into the buffer; LOAD also into the estimate, if there is one."""
    size, voxels = layout.width * VECTOR, (z * layout.blocks * BLOCK + y) * layout.width
    rows = room.buffer[VECTOR : VECTOR + size]
    estimate, previous = volumes.estimate[voxels : voxels + size], volumes.previous[voxels : voxels + size]
    if step == LOAD:
        take_block(volumes.image, z, y, room.offsets, room.buffer, VECTOR)
        copy(rows, estimate)
    elif step == DIVIDE:  # the blur of a flat estimate is flat
        take_block(volumes.image, z, y, room.offsets, room.side, 0)
        fill(rows, numbers.flat)
        divide(rows, room.side, numbers.threshold)
    elif step == PREDICT:
        extrapolate(estimate, previous, numbers.alpha)
        copy(estimate, rows)


@inlined
def _end_rows(layout: Layout, volumes: Volumes, numbers: Numbers, step: int, z: int, y: int, room: Room) -> None:
    """Correct the estimate by the block in the buffer."""
    size, voxels = layout.width * VECTOR, (z * layout.blocks * BLOCK + y) * layout.width
    rows, estimate = room.buffer[VECTOR : VECTOR + size], volumes.estimate[voxels : voxels + size]
    if len(volumes.masked_weights) > 0:
        weights = volumes.masked_weights[voxels : voxels + size]
    else:
        _take_weights(volumes.weights, z, y, room)
        weights = room.side[0:size]
    if step == CORRECT:
        correct(rows, weights, numbers.floor, estimate)
    else:
        place = (z * layout.blocks * BLOCK + y) * 2
        sums, change = volumes.sums[place : place + 2 * BLOCK], volumes.change[voxels : voxels + size]
        sum_changes(rows, weights, numbers.floor, estimate, change, sums)


@inlined
def _change_rows(layout: Layout, volumes: Volumes, numbers: Numbers, step: int, z: int, y: int, room: Room) -> None:
    """Do the last step of the transform back along x, DIVIDE or CORRECT, and the first one of the transform forward."""
    plan, buffer, side, voxels = layout.along_x, room.buffer, room.side, (z * layout.blocks * BLOCK + y) * layout.width
    estimate, twiddles = volumes.estimate, plan.twiddles
    has_momentum = int(len(volumes.previous) > 0)
    previous = volumes.previous if has_momentum else estimate
    weights, start = side, 0
    if step == DIVIDE:
        take_block(volumes.image, z, y, room.offsets, side, 0)
    elif len(volumes.masked_weights) > 0:
        weights, start = volumes.masked_weights, voxels
    else:
        _take_weights(volumes.weights, z, y, room)
    radix, stride = plan.radices[0], plan.spans[0] * VECTOR
    for vector in range(0, stride, VECTOR):
        row = plan.starts[0] + vector // VECTOR * 2 * (radix - 1)
        if step == DIVIDE:
            divide_between(radix, buffer, VECTOR + vector, stride, twiddles, row, side, vector, numbers.threshold)
        else:
            correct_between(
                radix, has_momentum, buffer, VECTOR + vector, stride, twiddles, row, weights, start + vector,
                numbers.floor, estimate, previous, voxels + vector, numbers.alpha,
            )  # fmt: skip


def sweep_planes(
    counter: Integers, room: Room, layout: Layout, volumes: Volumes, numbers: Numbers, planes: int, rows: int,
    step: int, restores: bool, transforms: bool,
) -> None:  # fmt: skip
    """Do a step to the first `rows` rows of `planes` planes.

    If it `restores`, their spectrum is transformed back before; if it `transforms`, they are transformed after.
    """
    column_size, along_y, along_x = layout.blocks * BLOCK * VECTOR, layout.along_y, layout.along_x
    spectrum, buffer = volumes.spectrum, room.buffer
    room.offsets[BLOCK] = -2  # no weights are in the room
    z = take(counter)
    while z < planes:
        plane = z * layout.stride
        if restores:
            count = min(layout.rows, -(-rows // BLOCK) * BLOCK)
            for start in range(plane, plane + layout.groups * column_size, column_size):
                back(along_y, spectrum, start, count, buffer)
                fill(spectrum[start + layout.rows * VECTOR : start + column_size], ZERO)  # no rows, but in a block
            if layout.tail > 0:
                spread_tail(layout, spectrum, plane, room.tail)
                back(along_y, room.tail, 0, count, buffer)
        for y in range(0, rows, BLOCK):
            if restores:
                _join_rows(layout, spectrum, plane, y, room)
            if restores and transforms:
                _change_rows(layout, volumes, numbers, step, z, y, room)
            elif restores:
                pass_back(along_x, buffer, VECTOR, VECTOR, 0, buffer, VECTOR, VECTOR, 0, 1, layout.width, buffer)
                _end_rows(layout, volumes, numbers, step, z, y, room)
            else:
                _start_rows(layout, volumes, numbers, step, z, y, room)
                pass_forward(along_x, buffer, VECTOR, VECTOR, 0, layout.width, buffer, VECTOR, VECTOR, 0, 1)
            if transforms:
                _separate_rows(layout, spectrum, plane, y, room)
        if transforms:
            for start in range(plane, plane + layout.groups * column_size, column_size):
                forward(along_y, spectrum, start, VECTOR, rows, spectrum, start)
            if layout.tail > 0:
                forward(along_y, room.tail, 0, VECTOR, rows, room.tail, 0)
                pack_tail(layout, room.tail, spectrum, plane)
        z = take(counter)
