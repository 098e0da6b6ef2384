"""The middle of sweeps B and D, in registers: last butterfly back, a step, first butterfly forward.

They do what `divide`, `correct` and `extrapolate` of `fused_steps` do, to the bit. `start`, `stride` and `row` are
those of `lanes.butterflies`; `voxels` is where in the other arrays the first vector of the rows is.
"""

from collections.abc import Callable

from lightsheet.deconvolution.lanes.butterflies import load_twiddles
from lightsheet.deconvolution.lanes.emitter import Complex, Emitter, Value, kernel
from lightsheet.deconvolution.lanes.plan import RADICES
from lightsheet.deconvolution.lanes.small_dft import transform
from lightsheet.deconvolution.momentum import TINY


def _go_around(
    emitter: Emitter, addresses: list[Value], twiddles: list[Complex], step: Callable[[int, Complex], Complex]
) -> None:
    """Transform vectors back, do a step to each, and transform them forward."""
    x = [emitter.load(address) for address in addresses]
    x[1:] = [emitter.multiply_conjugate(*pair) for pair in zip(x[1:], twiddles, strict=True)]
    y = [step(k, value) for k, value in enumerate(transform(emitter, x, 1))]
    y = transform(emitter, y, -1)
    y[1:] = [emitter.multiply(*pair) for pair in zip(y[1:], twiddles, strict=True)]
    for value, address in zip(y, addresses, strict=True):
        emitter.store(value, address)


@kernel
def divide_between(
    emitter: Emitter, radix: Value, rows: Value, start: Value, stride: Value, twiddles: Value, row: Value,
    image: Value, voxels: Value, threshold: Value,
) -> None:  # fmt: skip
    """Divide the image by its prediction; by less than the threshold the quotient is 0."""
    builder = emitter.builder
    least, zero = emitter.spread(threshold), emitter.constant(0)

    def divide(above: Value, below: Value) -> Value:
        return builder.select(builder.fcmp_ordered("<", below, least), zero, builder.fdiv(above, below))

    for number in emitter.cases(radix, RADICES):
        factors = load_twiddles(emitter, twiddles, row, number)
        for vectors, pixels in emitter.parts(rows, image):
            sources = emitter.step(pixels, voxels, stride, number)

            def step(k: int, blurred: Complex, sources: list[Value] = sources) -> Complex:
                real, imaginary = map(divide, emitter.load(sources[k]), blurred)
                return real, imaginary

            _go_around(emitter, emitter.step(vectors, start, stride, number), factors, step)


@kernel
def correct_between(
    emitter: Emitter, radix: Value, has_momentum: Value, rows: Value, start: Value, stride: Value, twiddles: Value,
    row: Value, weights: Value, weight: Value, floor: Value, estimate: Value, previous: Value, voxels: Value,
    alpha: Value,
) -> None:  # fmt: skip
    """Multiply the estimate by a factor times its weight; go on to the prediction, if there is momentum."""
    builder = emitter.builder
    key = builder.add(builder.mul(radix, emitter.index(2)), has_momentum)
    for case in emitter.cases(key, [2 * number + option for number in RADICES for option in (0, 1)]):
        number, extrapolates = divmod(case, 2)
        factors = load_twiddles(emitter, twiddles, row, number)
        for vectors, *others in emitter.parts(rows, weights, estimate, previous):
            places = [
                emitter.step(pointer, place, stride, number)
                for pointer, place in zip(others, (weight, voxels, voxels), strict=True)
            ]

            def step(
                k: int, factor: Complex, places: list[list[Value]] = places, extrapolates: int = extrapolates
            ) -> Complex:
                weight_place, estimate_place, previous_place = (addresses[k] for addresses in places)
                old, weight_vector = emitter.load(estimate_place), emitter.load(weight_place)
                new = _correct(emitter, factor, weight_vector, floor, old)
                if extrapolates:
                    before = emitter.load(previous_place)
                    emitter.store(new, previous_place)
                    new = _extrapolate(emitter, new, before, alpha)
                emitter.store(new, estimate_place)
                return new

            _go_around(emitter, emitter.step(vectors, start, stride, number), factors, step)


def _correct(emitter: Emitter, factor: Complex, weight: Complex, floor: Value, estimate: Complex) -> Complex:
    builder, least = emitter.builder, emitter.spread(floor)
    products = [builder.fmul(*pair) for pair in zip(factor, weight, strict=True)]
    products = [builder.select(builder.fcmp_ordered("<", x, least), least, x) for x in products]
    real, imaginary = (builder.fmul(*pair) for pair in zip(estimate, products, strict=True))
    return real, imaginary


def _extrapolate(emitter: Emitter, new: Complex, before: Complex, alpha: Value) -> Complex:
    builder, factor, tiny = emitter.builder, emitter.spread(alpha), emitter.constant(TINY)

    def extrapolate(x: Value, old: Value) -> Value:
        ahead, step = builder.fadd(x, old), builder.fmul(builder.fsub(x, old), factor)
        behind = builder.fadd(builder.fsub(ahead, step), tiny)
        return builder.fmul(x, builder.fdiv(builder.fadd(ahead, step), behind))

    return extrapolate(new[0], before[0]), extrapolate(new[1], before[1])
