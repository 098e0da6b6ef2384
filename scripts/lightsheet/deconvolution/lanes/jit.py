"""Compilation by numba: of loops, for the types that their annotations say.

Loops run without Python's lock, so that threads of Python share the work; numba's own threads are not used. To import
this module takes as long as a small volume: `native` does so only if there is something to compile.
"""

from collections.abc import Callable, Iterator
from typing import Any, get_type_hints

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from lightsheet.deconvolution.lanes.cache import Code
from lightsheet.deconvolution.lanes.plan import Doubles, FixedFloats, Floats, Integers

OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "boundscheck": False,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "_nrt": False,
}

TYPES: dict[Any, tuple[str, Any]] = {
    int: ("i", types.int64),
    float: ("f", types.float32),
    np.float32: ("f", types.float32),
    bool: ("b", types.boolean),
    Floats: ("F", types.float32[::1]),
    FixedFloats: ("R", types.Array(types.float32, 1, "C", readonly=True)),
    Integers: ("I", types.int64[::1]),
    Doubles: ("D", types.float64[::1]),
}
"""The kind of an annotation, see `native.KINDS`, and numba's type."""

_parts: list[Callable[..., Any]] = []
"""Parts that no function has needed yet, in the order in which they are defined: they may call each other."""


def compile_function(function: Callable[..., None]) -> Code:
    """Compile a function that Python calls, with all that it calls itself."""
    while _parts:
        _compile(_parts.pop(0))
    hints = _list_hints(function)
    dispatcher = njit(**OPTIONS)(function)
    _compile(dispatcher)
    (result,) = dispatcher.overloads.values()
    _, _, (content, _) = result.library.serialize_using_object_code()
    return Code(result.fndesc.llvm_func_name, "".join(_list_kinds(hints)), content)


def part(function: Callable[..., Any]) -> Any:
    """Compile a function that only compiled ones call, if one of them is to be compiled: their code holds its own."""
    dispatcher = njit(**OPTIONS)(function)
    _parts.append(dispatcher)
    return dispatcher


def inlined(function: Callable[..., Any]) -> Any:
    """Make a function part of each compiled one that calls it."""
    return njit(**OPTIONS, inline="always")(function)


def _compile(dispatcher: Any) -> None:
    dispatcher.compile(types.void(*map(_choose_type, _list_hints(dispatcher.py_func))))
    dispatcher.disable_compile()


def _list_hints(function: Callable[..., Any]) -> list[Any]:
    hints = get_type_hints(function, include_extras=True)
    return [hint for name, hint in hints.items() if name != "return"]


def _choose_type(hint: Any) -> Any:
    if hint in TYPES:
        return TYPES[hint][1]
    fields = [_choose_type(field) for field in _list_hints(hint)]
    if len(set(fields)) == 1:
        return types.NamedUniTuple(fields[0], len(fields), hint)
    return types.NamedTuple(fields, hint)


def _list_kinds(hints: list[Any]) -> Iterator[str]:
    for hint in hints:
        if hint in TYPES:
            yield TYPES[hint][0]
        else:
            yield from _list_kinds(_list_hints(hint))


@intrinsic  # type: ignore[untyped-decorator]
def take(_context: Any, counter: Any) -> Any:
    """Return a counter, an int64 array of 1, and add 1 to it, in one step between which no other thread can come."""

    def generate(context: Any, builder: Any, call: Any, values: Any) -> Any:
        pointer = context.make_array(call.args[0])(context, builder, values[0]).data
        return builder.atomic_rmw("add", pointer, context.get_constant(types.int64, 1), "monotonic")

    return types.int64(counter), generate
