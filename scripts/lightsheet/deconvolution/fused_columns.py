"""Sweeps A and C of engine `cpu`, and the OTF: columns along z, which are transformed, multiplied and transformed back.

A sweep is called by each thread, once. Pieces are taken from a counter, so that no thread waits for another one; none
depends on another one, so the result does not depend on who computes it.
"""

import numpy as np

from lightsheet.deconvolution.fused_layout import GROUP, Layout, Room
from lightsheet.deconvolution.lanes.butterflies import convolve
from lightsheet.deconvolution.lanes.jit import inlined, take
from lightsheet.deconvolution.lanes.passes import pass_back, pass_blocks_back, pass_blocks_forward, pass_forward
from lightsheet.deconvolution.lanes.plan import BLOCK, VECTOR, Floats, Integers

PIECE = 64
"""Columns that a thread takes at a time: what adjoins them is in the caches of another one."""


@inlined
def _convolve(
    layout: Layout, spectrum: Floats, start: int, columns: int, planes_in: int, planes_out: int, otf: Floats,
    otf_start: int, direction: float, buffer: Floats,
) -> None:  # fmt: skip
    """Multiply columns by the OTF: the last level, where the product is, is done to one butterfly after the other."""
    plan, stride, size = layout.along_z, layout.stride, layout.planes * VECTOR
    last = len(plan.radices) - 1
    radix = plan.radices[last]
    pass_forward(plan, spectrum, start, stride, VECTOR, planes_in, buffer, VECTOR, VECTOR, size, columns)
    for column in range(0, columns * size, size):
        pass_blocks_forward(plan, last, buffer, VECTOR + column, plan.radices[0])
        for place in range(column, column + size, radix * VECTOR):
            convolve(radix, buffer, VECTOR + place, otf, otf_start + place, direction)
        pass_blocks_back(plan, last, buffer, VECTOR + column, plan.radices[0])
    pass_back(plan, buffer, VECTOR, VECTOR, size, spectrum, start, stride, VECTOR, columns, planes_out, buffer)


@inlined
def _transform(layout: Layout, spectrum: Floats, start: int, columns: int, otf: Floats, otf_start: int) -> None:
    """Transform columns of the PSF's spectrum into the OTF."""
    plan, size = layout.along_z, layout.planes * VECTOR
    pass_forward(plan, spectrum, start, layout.stride, VECTOR, layout.planes, otf, otf_start, VECTOR, size, columns)
    pass_blocks_forward(plan, len(plan.radices), otf, otf_start, columns * plan.radices[0])


def sweep_columns(
    counter: Integers, room: Room, layout: Layout, spectrum: Floats, otf: Floats, planes_in: int, planes_out: int,
    sign: int,
) -> None:  # fmt: skip
    """Multiply `planes_in` planes by the OTF, or by its conjugate if `sign` is -1; write `planes_out` of the result.

    If `sign` is 0, make the OTF.
    """
    pieces, tail_pieces = -(-layout.rows // PIECE), -(-layout.tail_columns // PIECE)
    piece = take(counter)
    while piece < layout.groups * pieces + tail_pieces:
        group, first = piece // pieces, piece % pieces * PIECE
        stop = min(layout.rows if group < layout.groups else layout.tail_columns, first + PIECE)
        for row in range(first, stop, GROUP):
            columns = min(GROUP, stop - row)
            start = (group * layout.blocks * BLOCK + row) * VECTOR
            otf_start = (group * layout.rows + row) * layout.planes * VECTOR
            if sign == 0:
                _transform(layout, spectrum, start, columns, otf, otf_start)
            else:
                _convolve(
                    layout, spectrum, start, columns, planes_in, planes_out, otf, otf_start, np.float32(sign),
                    room.buffer,
                )  # fmt: skip
        piece = take(counter)
