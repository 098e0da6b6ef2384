"""The last frequencies of rows, too few for a group: one by one in the spectrum, side by side in a thread's room.

A width of 288 has 145 frequencies, 9 groups and one more. As a tenth group that would take a tenth of the time along z,
for one lane of 16.
"""

from lightsheet.deconvolution.fused_layout import Layout
from lightsheet.deconvolution.fused_steps import ZERO, fill
from lightsheet.deconvolution.lanes.jit import inlined
from lightsheet.deconvolution.lanes.plan import LANES, VECTOR, Floats


@inlined
def spread_tail(layout: Layout, spectrum: Floats, plane: int, tail: Floats) -> None:
    """Write the tail of the plane that begins at `plane` as a group, (y, vector)."""
    fill(tail, ZERO)  # other lanes, and rows that are none, but in a block
    start = plane + layout.tail_start
    for lane in range(layout.tail):
        for y in range(layout.rows):
            source = start + y // LANES * VECTOR + y % LANES
            tail[y * VECTOR + lane] = spectrum[source]
            tail[y * VECTOR + LANES + lane] = spectrum[source + LANES]
        start += layout.tail_columns // layout.tail * VECTOR


@inlined
def pack_tail(layout: Layout, tail: Floats, spectrum: Floats, plane: int) -> None:
    """Undo `spread_tail`."""
    start = plane + layout.tail_start
    for lane in range(layout.tail):
        for y in range(layout.rows):
            target = start + y // LANES * VECTOR + y % LANES
            spectrum[target] = tail[y * VECTOR + lane]
            spectrum[target + LANES] = tail[y * VECTOR + LANES + lane]
        start += layout.tail_columns // layout.tail * VECTOR
