"""Machine code that was compiled before: linked and called without numba, whose import takes longer than small volumes.

The code is that of an object file. Numba's calling convention has an address for the result and one for an exception,
which our functions do without; then each field of each argument, and of an array the fields that it has in memory.
"""

import ctypes
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from llvmlite import binding

from lightsheet.deconvolution.lanes.cache import Code, find_code, keep_code, lock_folder

SIZE, ADDRESS = ctypes.c_int64, ctypes.c_void_p

ARRAY = (ADDRESS, ADDRESS, SIZE, SIZE, ADDRESS, SIZE, SIZE)
"""What owns an array, twice, which nobody asks; its elements, bytes of one, address, shape, stride."""

KINDS: dict[str, tuple[Any, ...]] = {
    "i": (SIZE,),
    "f": (ctypes.c_float,),
    "b": (ctypes.c_bool,),
    **dict.fromkeys("FRID", ARRAY),
}
"""How an argument is passed: int64, float32 and bool; flat arrays of float32, of float32 that cannot be written, of
int64 and of float64."""

ARRAYS = {"f": "F", np.dtype(np.int64).char: "I", "d": "D"}


class Flat(NamedTuple):
    """The fields of an argument, as they are passed."""

    kinds: str
    fields: list[Any]
    owner: Any  # of the memory that they point to


def load_function(module: str, name: str) -> Callable[..., None]:
    """Return a function of a module as machine code, which is compiled only if it is not kept already."""
    key = f"{module}.{name}"
    if not (code := find_code(key)):
        with lock_folder():  # one process compiles, and the others wait
            if not (code := find_code(key)):
                from lightsheet.deconvolution.lanes.jit import compile_function

                code = compile_function(getattr(import_module(module), name))
                keep_code(key, code)
    return link(code)


def link(code: Code) -> Callable[..., None]:
    """Make code callable; other threads run meanwhile, and arguments of other types are refused."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()  # which LLVM's linker asks for, though it has nothing to print
    machine = binding.Target.from_default_triple().create_target_machine()
    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), machine)
    engine.add_object_file(binding.ObjectFileRef.from_data(code.content))
    engine.finalize_object()
    types = [field for kind in code.kinds for field in KINDS[kind]]
    prototype = ctypes.CFUNCTYPE(ctypes.c_int32, ADDRESS, ADDRESS, *types)
    native = prototype(engine.get_function_address(code.symbol))

    def call(*arguments: Any) -> None:
        flat = flatten(arguments)
        if flat.kinds != code.kinds:
            raise TypeError(f"{code.symbol} takes {code.kinds}, not {flat.kinds}")
        slots = (ADDRESS * 2)()
        if native(ctypes.addressof(slots), ctypes.addressof(slots) + ctypes.sizeof(ADDRESS), *flat.fields):
            raise RuntimeError(f"{code.symbol} failed")  # as Python's own code would: an integer was divided by 0
        assert engine  # it owns the code

    return call


def flatten(value: Any) -> Flat:
    """Turn an argument into what is passed of it; of named tuples that many calls take, this is done but once."""
    if isinstance(value, Flat):
        return value
    if isinstance(value, tuple):
        parts = [flatten(part) for part in value]
        return Flat("".join(part.kinds for part in parts), [field for part in parts for field in part.fields], value)
    if isinstance(value, np.ndarray):
        size, step = value.size, value.itemsize
        return Flat(_name_kind(value), [None, None, size, step, value.ctypes.data, size, step], value)
    if isinstance(value, bool):
        return Flat("b", [value], value)
    if isinstance(value, int | np.integer):
        return Flat("i", [int(value)], value)
    return Flat("f", [float(value)], value)


def _name_kind(array: np.ndarray[Any, Any]) -> str:
    flags = array.flags
    if array.ndim != 1 or not flags.c_contiguous:
        return "?"
    kind = ARRAYS.get(array.dtype.char, "?")
    return kind if flags.writeable else kind.replace("F", "R")
