"""Kernels in CUDA's language as C++ on this machine's processor, one thread after the other.

That is what they compute on a GPU as long as no thread of a kernel reads what another one writes; kernels that wait for
each other (`__syncthreads`) cannot be run here.
"""

import ctypes
import functools
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HEAD = """
extern "C" float rintf(float);
#define __global__ inline __attribute__((always_inline))
#define __device__
struct float2 { float x, y; };
struct Index { unsigned x; };
static thread_local Index blockIdx, threadIdx, blockDim, gridDim;
"""

RUN = """
extern "C" void run_%s(unsigned grid, unsigned block, %s) {
    gridDim.x = grid;
    blockDim.x = block;
    for (blockIdx.x = 0; blockIdx.x < grid; ++blockIdx.x)
        for (threadIdx.x = 0; threadIdx.x < block; ++threadIdx.x) %s(%s);
}
"""

TYPES: dict[str, type] = {
    "float2": np.complex64,
    "float": np.float32,
    "double": np.float64,
    "int": np.int32,
    "unsigned": np.uint32,
    "short": np.int16,
    "unsigned short": np.uint16,
    "signed char": np.int8,
    "unsigned char": np.uint8,
}
SCALARS: dict[str, tuple[type, Any]] = {
    "unsigned": (np.uint32, ctypes.c_uint32),
    "int": (np.int32, ctypes.c_int32),
    "float": (np.float32, ctypes.c_float),
    "double": (np.float64, ctypes.c_double),
    "Offset": (np.uint64, ctypes.c_uint64),
}


def list_pointers(code: str) -> dict[str, tuple[type, bool]]:
    """Return of each type of arrays their dtype, and whether a kernel writes to them."""
    voxels = {name: base for base, name in re.findall(r"typedef ([\w ]+) (\w+Voxel);", code)}
    types = re.findall(r"typedef (const )?([\w ]+)\*(?: __restrict__)? (\w+);", code)
    return {name: (TYPES[voxels.get(base, base)], not const) for const, base, name in types}


@functools.cache
def list_parameters(code: str) -> dict[str, list[tuple[str, str, bool]]]:
    """Return of each kernel its parameters' types, names, and whether it writes to them."""
    kernels, pointers = {}, list_pointers(code)
    for name, text in re.findall(r"__global__ void (\w+)\(([^)]*)\)", code):
        parameters = []
        for parameter in text.split(","):
            kind, label = parameter.split()
            parameters.append((kind, label, kind in pointers and pointers[kind][1]))
        kernels[name] = parameters
    return kernels


@functools.cache
def compile_kernels(code: str) -> ctypes.CDLL:
    """Compile all kernels; skip the test where there is no compiler."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if not compiler:
        pytest.skip("no C++ compiler (g++ or clang++), with which kernels would run on the processor")
    runs = []
    for name, parameters in list_parameters(code).items():
        declared, passed = ", ".join(f"{p[0]} {p[1]}" for p in parameters), ", ".join(p[1] for p in parameters)
        runs.append(RUN % (name, declared, name, passed))
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "kernels.cpp"), Path(folder, "kernels.so")
        source.write_text(HEAD + code + "".join(runs))
        # Kernels are inlined into the loop over threads, whose indices lie at known places: four times as fast.
        fast = ["-O2", "-ftls-model=initial-exec"]
        command = [compiler, *fast, "-Wall", "-Werror", "-shared", "-fPIC", "-ffp-contract=off"]
        subprocess.run([*command, "-o", str(library), str(source)], check=True)
        return ctypes.CDLL(str(library))


class Kernel:
    """One kernel, which refuses arguments whose types are not those of its parameters: CuPy would not."""

    def __init__(self, code: str, name: str) -> None:
        self.name = name
        self.parameters, self.pointers = list_parameters(code)[name], list_pointers(code)
        self.function = getattr(compile_kernels(code), f"run_{name}")

    def __call__(self, grid: int, block: int, arguments: Any) -> None:
        """Run it on arrays of NumPy and scalars of its types."""
        assert len(arguments) == len(self.parameters), f"{self.name} takes {len(self.parameters)} arguments"
        values = []
        for (kind, label, _), argument in zip(self.parameters, arguments, strict=True):
            if kind in self.pointers:
                assert argument.dtype == self.pointers[kind][0], f"{self.name}: {label} is {argument.dtype}"
                assert argument.flags.c_contiguous or label == "blurred", f"{self.name}: {label} is not contiguous"
                values.append(ctypes.c_void_p(argument.ctypes.data))
            else:
                exact, convert = SCALARS[kind]
                assert type(argument) is exact, f"{self.name}: {label} is {type(argument)}"
                values.append(convert(argument.item()))
        self.function(ctypes.c_uint32(grid), ctypes.c_uint32(block), *values)
