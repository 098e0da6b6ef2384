"""Complex arithmetic on vectors, as instructions of LLVM: numba has no type for vectors, but lets us emit what we like.

A kernel here is a Python function that runs while numba compiles a caller, and emits the instructions that the caller
shall execute. Its `Emitter` works on `WIDTH` of the `LANES` at a time: as wide as a register, so that a butterfly fits
into the registers that there are. Nothing but speed depends on it.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from inspect import signature
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lightsheet.deconvolution.lanes.plan import LANES
from lightsheet.deconvolution.lanes.processor import list_features

Value = Any
"""A value of LLVM, of which Python knows only the name."""

Complex = tuple[Value, Value]

WIDTH = 16 if "avx512f" in list_features() else 8

FLOAT, INDEX, LANE = ir.FloatType(), ir.IntType(64), ir.IntType(32)
REGISTER = ir.VectorType(FLOAT, WIDTH)


def kernel(emit: Callable[..., None]) -> Any:
    """Make of a function `emit(emitter, *values)` one that compiled loops can call.

    Arrays arrive as pointers to float32, or whatever they hold; integers as int64, other numbers as float32.
    """

    def type_call(_context: Any, *arguments: Any) -> Any:
        def generate(context: Any, builder: Any, call: Any, values: Iterable[Value]) -> Value:
            pointers = (
                context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
                for kind, value in zip(call.args, values, strict=True)
            )
            emit(Emitter(builder), *pointers)
            return context.get_dummy_value()

        return types.void(*map(_choose_type, arguments)), generate

    type_call.__name__, type_call.__doc__ = emit.__name__, emit.__doc__
    type_call.__signature__ = signature(emit)  # type: ignore[attr-defined]  # the emitter stands for the context
    return intrinsic(type_call)


def _choose_type(argument: Any) -> Any:
    if isinstance(argument, types.Array):
        return argument
    return types.float32 if isinstance(argument, types.Float) else types.int64


class Emitter:
    """Emits instructions; in its complex arithmetic, `Arithmetic` of `small_dft`, numbers are pairs of registers."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder

    # Numbers and addresses

    def index(self, value: int) -> Value:
        """Return an integer constant."""
        return ir.Constant(INDEX, value)

    def constant(self, value: float) -> Value:
        """Return a register with the same number in all lanes."""
        return ir.Constant(REGISTER, [ir.Constant(FLOAT, value)] * WIDTH)

    def spread(self, scalar: Value) -> Value:
        """Copy a scalar into all lanes."""
        register = self.builder.insert_element(ir.Constant(REGISTER, ir.Undefined), scalar, ir.Constant(LANE, 0))
        return self.builder.shuffle_vector(register, register, ir.Constant(ir.VectorType(LANE, WIDTH), [0] * WIDTH))

    def move(self, pointer: Value, floats: Value | int) -> Value:
        """Return the address so many float32 further on."""
        floats = self.index(floats) if isinstance(floats, int) else floats
        return self.builder.gep(pointer, [floats], source_etype=FLOAT)

    def step(self, pointer: Value, start: Value, stride: Value, number: int) -> list[Value]:
        """Return `number` addresses, the first at `start`, the others `stride` apart."""
        return [
            self.move(pointer, self.builder.add(start, self.builder.mul(stride, self.index(k)))) for k in range(number)
        ]

    def look_up(self, table: Value, place: Value, number: int) -> list[Value]:
        """Load `number` integers of a table, from `place` on."""
        places = [self.builder.add(place, self.index(k)) for k in range(number)]
        return [self.builder.load(self.builder.gep(table, [k], source_etype=INDEX), typ=INDEX) for k in places]

    # Control

    def cases(self, key: Value, values: Iterable[int]) -> Iterator[int]:
        """Emit, for each value, what the body of the caller's loop emits; of that, the case of `key` is executed."""
        end = self.builder.append_basic_block()
        switch = self.builder.switch(key, end)
        for value in values:
            block = self.builder.append_basic_block()
            switch.add_case(self.index(value), block)
            self.builder.position_at_end(block)
            yield value
            self.builder.branch(end)
        self.builder.position_at_end(end)

    def parts(self, *pointers: Value) -> Iterator[list[Value]]:
        """For each part of the lanes that a register holds, return the pointers, moved there."""
        for lane in range(0, LANES, WIDTH):
            yield [self.move(pointer, lane) for pointer in pointers]

    def choose(self, condition: Value, yes: Value, no: Value) -> Value:
        """Return one of two addresses."""
        return self.builder.select(condition, yes, no)

    # Memory

    def load_register(self, pointer: Value) -> Value:
        """Load a register."""
        return self.builder.load(self.builder.bitcast(pointer, REGISTER.as_pointer()), align=4, typ=REGISTER)

    def store_register(self, register: Value, pointer: Value) -> None:
        """Store a register."""
        self.builder.store(register, self.builder.bitcast(pointer, REGISTER.as_pointer()), align=4)

    def load(self, pointer: Value) -> Complex:
        """Load a complex vector."""
        return self.load_register(pointer), self.load_register(self.move(pointer, LANES))

    def store(self, x: Complex, pointer: Value) -> None:
        """Store a complex vector."""
        self.store_register(x[0], pointer)
        self.store_register(x[1], self.move(pointer, LANES))

    def load_factor(self, pointer: Value, number: int) -> Complex:
        """Load the complex scalar of this number in a table, into all lanes."""
        real, imaginary = (
            self.spread(self.builder.load(self.move(pointer, 2 * number + part), typ=FLOAT)) for part in (0, 1)
        )
        return real, imaginary

    # Arithmetic

    def fma(self, x: Value, y: Value, z: Value) -> Value:
        """Return x y + z of registers, rounded once."""
        module, name = self.builder.module, f"llvm.fma.v{WIDTH}f32"
        function = module.globals.get(name) or ir.Function(module, ir.FunctionType(REGISTER, [REGISTER] * 3), name)
        return self.builder.call(function, [x, y, z])

    def add(self, x: Complex, y: Complex) -> Complex:
        """Return x + y."""
        return self.builder.fadd(x[0], y[0]), self.builder.fadd(x[1], y[1])

    def subtract(self, x: Complex, y: Complex) -> Complex:
        """Return x - y."""
        return self.builder.fsub(x[0], y[0]), self.builder.fsub(x[1], y[1])

    def scale(self, x: Complex, factor: float) -> Complex:
        """Return x times a real number."""
        return self.builder.fmul(x[0], self.constant(factor)), self.builder.fmul(x[1], self.constant(factor))

    def add_scaled(self, x: Complex, y: Complex, factor: float) -> Complex:
        """Return x plus y times a real number."""
        return self.fma(y[0], self.constant(factor), x[0]), self.fma(y[1], self.constant(factor), x[1])

    def quarter(self, x: Complex) -> Complex:
        """Return x i."""
        return self.builder.fneg(x[1]), x[0]

    def rotate(self, x: Complex, angle: float) -> Complex:
        """Return x exp(i angle)."""
        return self.multiply(x, (self.constant(math.cos(angle)), self.constant(math.sin(angle))))

    def multiply(self, x: Complex, y: Complex) -> Complex:
        """Return x y."""
        real = self.fma(x[0], y[0], self.builder.fneg(self.builder.fmul(x[1], y[1])))
        return real, self.fma(x[0], y[1], self.builder.fmul(x[1], y[0]))

    def multiply_conjugate(self, x: Complex, y: Complex) -> Complex:
        """Return x times the conjugate of y."""
        real = self.fma(x[0], y[0], self.builder.fmul(x[1], y[1]))
        return real, self.fma(x[1], y[0], self.builder.fneg(self.builder.fmul(x[0], y[1])))

    def transpose(self, registers: list[Value]) -> list[Value]:
        """Return the transpose of `WIDTH` registers, by swapping ever smaller squares."""
        rows, size = list(registers), WIDTH // 2
        while size:
            low = [k if not k & size else k - size + WIDTH for k in range(WIDTH)]
            high = [k + size if not k & size else k + WIDTH for k in range(WIDTH)]
            for k in range(WIDTH):
                if not k & size:
                    rows[k], rows[k + size] = (self._shuffle(rows[k], rows[k + size], m) for m in (low, high))
            size //= 2
        return rows

    def _shuffle(self, x: Value, y: Value, lanes: list[int]) -> Value:
        mask = ir.Constant(ir.VectorType(LANE, WIDTH), [ir.Constant(LANE, lane) for lane in lanes])
        return self.builder.shuffle_vector(x, y, mask)
