"""Compilation by numba: of loops, for the types that their annotations say, when they are defined.

Loops run without Python's lock, so that threads of Python share the work; numba's own threads are not used.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, get_type_hints

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from lightsheet.deconvolution.lanes.cache import Cache, find_folder
from lightsheet.deconvolution.lanes.plan import Doubles, FixedFloats, Floats, Integers

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "boundscheck": False, "no_cfunc_wrapper": True}

TYPES: dict[Any, Any] = {
    int: types.int64,
    np.float32: types.float32,
    float: types.float32,
    bool: types.boolean,
    type(None): types.void,
    Floats: types.float32[::1],
    FixedFloats: types.Array(types.float32, 1, "C", readonly=True),
    Integers: types.int64[::1],
    Doubles: types.float64[::1],
}


_parts: list[Callable[[], None]] = []
"""Compile the parts that no function has needed yet."""


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function for the types of its annotations, or load the code from where it is kept."""
    dispatcher = njit(**OPTIONS)(function)
    if find_folder():
        dispatcher._cache = Cache(function, _compile_parts)  # numba has no other way to give it one
    else:
        _compile_parts()
    _compile(dispatcher, function)
    return dispatcher


def part(function: Callable[..., Any]) -> Any:
    """Compile a function that only compiled ones call, if one of them is to be compiled: their code holds its own."""
    dispatcher = njit(**OPTIONS, no_cpython_wrapper=True)(function)
    _parts.append(partial(_compile, dispatcher, function))
    return dispatcher


def _compile_parts() -> None:
    while _parts:  # in the order in which they are defined: they may call each other
        _parts.pop(0)()


def _compile(dispatcher: Any, function: Callable[..., Any]) -> None:
    *arguments, result = get_type_hints(function, include_extras=True).values()
    dispatcher.compile(_choose_type(result)(*map(_choose_type, arguments)))
    dispatcher.disable_compile()


def inlined(function: Callable[..., Any]) -> Any:
    """Make a function part of each compiled one that calls it."""
    return njit(**OPTIONS, inline="always")(function)


def _choose_type(hint: Any) -> Any:
    if hint in TYPES:
        return TYPES[hint]
    fields = [_choose_type(field) for field in get_type_hints(hint, include_extras=True).values()]
    if len(set(fields)) == 1:
        return types.NamedUniTuple(fields[0], len(fields), hint)
    return types.NamedTuple(fields, hint)


@intrinsic  # type: ignore[untyped-decorator]
def take(_context: Any, counter: Any) -> Any:
    """Return a counter, an int64 array of 1, and add 1 to it, in one step between which no other thread can come."""

    def generate(context: Any, builder: Any, call: Any, values: Any) -> Any:
        pointer = context.make_array(call.args[0])(context, builder, values[0]).data
        return builder.atomic_rmw("add", pointer, context.get_constant(types.int64, 1), "monotonic")

    return types.int64(counter), generate
