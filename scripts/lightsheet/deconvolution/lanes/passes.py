"""All steps of a transform, for `plan` and complex vectors of a flat array, from an index in float32 on.

After the first level the blocks are transformed one after the other, each through all its levels, because a block fits
into the first-level cache where the whole often does not.
"""

from lightsheet.deconvolution.lanes.butterflies import transform_back, transform_forward
from lightsheet.deconvolution.lanes.jit import inlined, part
from lightsheet.deconvolution.lanes.plan import VECTOR, Floats, Plan


@part
def pass_forward(
    plan: Plan, source: Floats, source_start: int, source_stride: int, source_step: int, count: int,
    target: Floats, target_start: int, target_stride: int, target_step: int, sequences: int,
) -> None:  # fmt: skip
    """Do the first level of several sequences, which lie `step` apart, their vectors `stride` apart.

    Of each sequence `count` vectors are there, the others count as 0.
    """
    radix, span, first, twiddles = plan.radices[0], plan.spans[0], plan.starts[0], plan.twiddles
    is_turned = int(span > 1)
    for place in range(span):
        row = first + place * 2 * (radix - 1)
        rest = (count - place + span - 1) // span
        source_place, target_place = source_start + place * source_stride, target_start + place * target_stride
        for sequence in range(sequences):
            transform_forward(
                radix, is_turned, source, source_place + sequence * source_step, span * source_stride, rest,
                target, target_place + sequence * target_step, span * target_stride, twiddles, row,
            )  # fmt: skip


@part
def pass_blocks_forward(plan: Plan, stop: int, vectors: Floats, start: int, number: int) -> None:
    """Do the levels before `stop`, but for the first, of `number` adjoining blocks of the first level, in place."""
    size, twiddles = plan.spans[0], plan.twiddles
    for block in range(start, start + number * size * VECTOR, size * VECTOR):
        for level in range(1, stop):
            radix, span, first = plan.radices[level], plan.spans[level], plan.starts[level]
            is_turned = int(span > 1)
            for piece in range(block, block + size * VECTOR, radix * span * VECTOR):
                for place in range(span):
                    base, stride, row = piece + place * VECTOR, span * VECTOR, first + place * 2 * (radix - 1)
                    transform_forward(
                        radix, is_turned, vectors, base, stride, radix, vectors, base, stride, twiddles, row
                    )


@part
def pass_blocks_back(plan: Plan, stop: int, vectors: Floats, start: int, number: int) -> None:
    """Undo `pass_blocks_forward`."""
    size, twiddles = plan.spans[0], plan.twiddles
    for block in range(start, start + number * size * VECTOR, size * VECTOR):
        for level in range(stop - 1, 0, -1):
            radix, span, first = plan.radices[level], plan.spans[level], plan.starts[level]
            is_turned = int(span > 1)
            for piece in range(block, block + size * VECTOR, radix * span * VECTOR):
                for place in range(span):
                    base, stride, row = piece + place * VECTOR, span * VECTOR, first + place * 2 * (radix - 1)
                    transform_back(
                        radix, is_turned, vectors, base, stride, vectors, base, stride, radix, vectors, twiddles, row
                    )


@part
def pass_back(
    plan: Plan, source: Floats, source_start: int, source_stride: int, source_step: int,
    target: Floats, target_start: int, target_stride: int, target_step: int, sequences: int, count: int, waste: Floats,
) -> None:  # fmt: skip
    """Undo the first level of several sequences; write `count` vectors of each."""
    radix, span, first, twiddles = plan.radices[0], plan.spans[0], plan.starts[0], plan.twiddles
    is_turned = int(span > 1)
    for place in range(span):
        row = first + place * 2 * (radix - 1)
        rest = (count - place + span - 1) // span
        source_place, target_place = source_start + place * source_stride, target_start + place * target_stride
        for sequence in range(sequences):
            transform_back(
                radix, is_turned, source, source_place + sequence * source_step, span * source_stride,
                target, target_place + sequence * target_step, span * target_stride, rest, waste, twiddles, row,
            )  # fmt: skip


@inlined
def forward(plan: Plan, source: Floats, source_start: int, stride: int, count: int, target: Floats, start: int) -> None:
    """Transform `count` vectors, `stride` apart, and zeros after them, into adjoining vectors; also in place."""
    pass_forward(plan, source, source_start, stride, 0, count, target, start, VECTOR, 0, 1)
    pass_blocks_forward(plan, len(plan.radices), target, start, plan.radices[0])


@inlined
def back(plan: Plan, vectors: Floats, start: int, count: int, waste: Floats) -> None:
    """Transform back in place, of which `count` vectors are written, the others over the first one of `waste`."""
    pass_blocks_back(plan, len(plan.radices), vectors, start, plan.radices[0])
    pass_back(plan, vectors, start, VECTOR, 0, vectors, start, VECTOR, 0, 1, count, waste)
