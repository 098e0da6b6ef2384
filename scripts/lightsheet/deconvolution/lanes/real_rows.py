"""Real rows, two in one complex sequence: rows a and b are transformed as a + i b.

With Z the transform of a + i b, A(k) = (Z(k) + conj Z(-k)) / 2 and B(k) = (Z(k) - conj Z(-k)) / 2i. A block is
2 `LANES` rows: the real and the imaginary parts of `LANES` sequences along x. Their spectra are transposed, so that
`LANES` frequencies of a row adjoin: they are the lanes of the transforms along y and z.
"""

from collections.abc import Callable, Sequence

from lightsheet.deconvolution.lanes.emitter import WIDTH, Emitter, Value, kernel
from lightsheet.deconvolution.lanes.plan import BLOCK, LANES, VECTOR

REAL, IMAGINARY = 0, LANES

SECOND = LANES * VECTOR
"""Where in a block's spectrum the rows of its second half begin."""

Row = tuple[Value, ...]
"""Addresses of registers whose sum, or difference, is meant."""


def _transpose(emitter: Emitter, rows: Sequence[Row], combine: Callable[..., Value], columns: Sequence[Value]) -> None:
    """Write `LANES` rows of `LANES` numbers as columns, in squares as wide as a register."""
    for row in range(0, LANES, WIDTH):
        for column in range(0, LANES, WIDTH):
            square = [
                combine(*(emitter.load_register(emitter.move(address, column)) for address in addresses))
                for addresses in rows[row : row + WIDTH]
            ]
            for register, address in zip(emitter.transpose(square), columns[column : column + WIDTH], strict=True):
                emitter.store_register(register, emitter.move(address, row))


@kernel
def separate(
    emitter: Emitter, rows: Value, places: Value, mirrors: Value, first: Value, spectrum: Value, start: Value
) -> None:
    """Write `LANES` frequencies of a block's rows, from `start` on: A and B, times 2.

    `places` and `mirrors` say where in `rows` a frequency is, and its negative.
    """
    positive, negative = (emitter.look_up(table, first, LANES) for table in (places, mirrors))
    base, builder = emitter.move(spectrum, start), emitter.builder
    for part, combine, x, y, target in (
        (REAL, builder.fadd, positive, negative, REAL),
        (IMAGINARY, builder.fsub, positive, negative, IMAGINARY),
        (IMAGINARY, builder.fadd, positive, negative, SECOND + REAL),
        (REAL, builder.fsub, negative, positive, SECOND + IMAGINARY),
    ):
        source = emitter.move(rows, part)
        pairs = [tuple(emitter.move(source, place) for place in pair) for pair in zip(x, y, strict=True)]
        _transpose(emitter, pairs, combine, [emitter.move(base, target + k * VECTOR) for k in range(LANES)])


@kernel
def join(
    emitter: Emitter, spectrum: Value, start: Value, rows: Value, places: Value, mirrors: Value, first: Value
) -> None:
    """Undo `separate`, but for the factor 2: Z(k) = A(k) + i B(k), and Z(-k) = conj A(k) + i conj B(k)."""
    positive, negative = (emitter.look_up(table, first, LANES) for table in (places, mirrors))
    base, builder = emitter.move(spectrum, start), emitter.builder
    for x, combine, y, table, part in (
        (REAL, builder.fadd, SECOND + IMAGINARY, negative, REAL),
        (SECOND + REAL, builder.fsub, IMAGINARY, negative, IMAGINARY),
        (REAL, builder.fsub, SECOND + IMAGINARY, positive, REAL),
        (IMAGINARY, builder.fadd, SECOND + REAL, positive, IMAGINARY),
    ):
        target = emitter.move(rows, part)
        pairs = [(emitter.move(base, x + k * VECTOR), emitter.move(base, y + k * VECTOR)) for k in range(LANES)]
        _transpose(emitter, pairs, combine, [emitter.move(target, place) for place in table])


def _keep(register: Value) -> Value:
    return register


@kernel
def take_columns(
    emitter: Emitter, source: Value, rows: Value, first: Value, column: Value, vectors: Value, start: Value
) -> None:
    """Write `LANES` columns of a block as complex vectors; `rows` says where in the source each row begins."""
    places = emitter.look_up(rows, first, BLOCK)
    addresses = [(emitter.move(emitter.move(source, place), column),) for place in places]
    base = emitter.move(vectors, start)
    for part, half in ((REAL, addresses[:LANES]), (IMAGINARY, addresses[LANES:])):
        _transpose(emitter, half, _keep, [emitter.move(base, part + k * VECTOR) for k in range(LANES)])


@kernel
def give_columns(
    emitter: Emitter, vectors: Value, start: Value, target: Value, rows: Value, first: Value, column: Value
) -> None:
    """Undo `take_columns`."""
    places = emitter.look_up(rows, first, BLOCK)
    addresses = [emitter.move(emitter.move(target, place), column) for place in places]
    base = emitter.move(vectors, start)
    for part, half in ((REAL, addresses[:LANES]), (IMAGINARY, addresses[LANES:])):
        _transpose(emitter, [(emitter.move(base, part + k * VECTOR),) for k in range(LANES)], _keep, half)
