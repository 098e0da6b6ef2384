"""One step of a transform: a DFT of as many complex vectors as the radix says, and twiddle factors where they turn.

Where a level has `is_turned` 0, its last one, all twiddle factors would be 1. A table `row` holds those of a butterfly.
"""

from lightsheet.deconvolution.lanes.emitter import Complex, Emitter, Value, kernel
from lightsheet.deconvolution.lanes.plan import RADICES, VECTOR
from lightsheet.deconvolution.lanes.small_dft import transform

CASES = [2 * radix + is_turned for radix in RADICES for is_turned in (0, 1)]


def _choose_case(emitter: Emitter, radix: Value, is_turned: Value) -> Value:
    return emitter.builder.add(emitter.builder.mul(radix, emitter.index(2)), is_turned)


def load_twiddles(emitter: Emitter, twiddles: Value, row: Value, radix: int) -> list[Complex]:
    """Load the twiddle factors of one butterfly, which are those of all lanes."""
    pointer = emitter.move(twiddles, row)
    return [emitter.load_factor(pointer, number) for number in range(radix - 1)]


@kernel
def transform_forward(
    emitter: Emitter,
    radix: Value,
    is_turned: Value,
    source: Value,
    source_start: Value,
    source_stride: Value,
    count: Value,
    target: Value,
    target_start: Value,
    target_stride: Value,
    twiddles: Value,
    row: Value,
) -> None:
    """DFT, then twiddle factors; of the source, only `count` vectors are there, the others count as 0."""
    for case in emitter.cases(_choose_case(emitter, radix, is_turned), CASES):
        number, turns = divmod(case, 2)
        for read, write, zero in emitter.parts(source, target, twiddles):
            x = []
            for k, address in enumerate(emitter.step(read, source_start, source_stride, number)):
                is_there = emitter.builder.icmp_signed("<", emitter.index(k), count)
                x.append(emitter.load(emitter.choose(is_there, address, zero)))
            y = transform(emitter, x, -1)
            if turns:
                factors = load_twiddles(emitter, twiddles, row, number)
                y[1:] = [emitter.multiply(*pair) for pair in zip(y[1:], factors, strict=True)]
            for value, address in zip(y, emitter.step(write, target_start, target_stride, number), strict=True):
                emitter.store(value, address)


@kernel
def transform_back(
    emitter: Emitter,
    radix: Value,
    is_turned: Value,
    source: Value,
    source_start: Value,
    source_stride: Value,
    target: Value,
    target_start: Value,
    target_stride: Value,
    count: Value,
    waste: Value,
    twiddles: Value,
    row: Value,
) -> None:
    """Conjugate twiddle factors, then DFT; all vectors from `count` on are written over the first one of `waste`."""
    for case in emitter.cases(_choose_case(emitter, radix, is_turned), CASES):
        number, turns = divmod(case, 2)
        for read, write, nowhere in emitter.parts(source, target, waste):
            x = [emitter.load(address) for address in emitter.step(read, source_start, source_stride, number)]
            if turns:
                factors = load_twiddles(emitter, twiddles, row, number)
                x[1:] = [emitter.multiply_conjugate(*pair) for pair in zip(x[1:], factors, strict=True)]
            y = transform(emitter, x, 1)
            for k, address in enumerate(emitter.step(write, target_start, target_stride, number)):
                is_there = emitter.builder.icmp_signed("<", emitter.index(k), count)
                emitter.store(y[k], emitter.choose(is_there, address, nowhere))


@kernel
def convolve(
    emitter: Emitter, radix: Value, vectors: Value, start: Value, factors: Value, factor_start: Value, sign: Value
) -> None:
    """Last butterfly forward, product with the factors, first butterfly back, of `radix` adjoining vectors in place.

    Where `sign` is -1, with the factors' conjugates.
    """
    for number in emitter.cases(radix, RADICES):
        stride, direction = emitter.index(VECTOR), emitter.spread(sign)
        for part, factor_part in emitter.parts(vectors, factors):
            addresses = emitter.step(part, start, stride, number)
            y = transform(emitter, [emitter.load(address) for address in addresses], -1)
            for k, address in enumerate(emitter.step(factor_part, factor_start, stride, number)):
                real, imaginary = emitter.load(address)
                y[k] = emitter.multiply(y[k], (real, emitter.builder.fmul(imaginary, direction)))
            for value, address in zip(transform(emitter, y, 1), addresses, strict=True):
                emitter.store(value, address)
