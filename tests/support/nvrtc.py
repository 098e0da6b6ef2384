"""CUDA's compiler, which needs no GPU: NVRTC of CUDA 12, the last that still compiles for V100, and up to Blackwell."""

import ctypes
import functools
import importlib.metadata
import re

ARCHITECTURES = {"V100": 70, "T4": 75, "A100": 80, "A40": 86, "L40": 89, "H100": 90, "B200": 100, "RTX 50": 120}

DEPRECATION = re.compile(r".*warning: Architectures prior to .* are deprecated.*")
"""CUDA 12's word on V100, which CUDA 13 knows no more."""


class CompilationError(Exception):
    """What NVRTC says."""


@functools.cache
def load() -> ctypes.CDLL:
    """Load the library from its wheel."""
    files = importlib.metadata.files("nvidia-cuda-nvrtc-cu12") or []
    return ctypes.CDLL(str(next(file.locate() for file in files if file.name == "libnvrtc.so.12")))


def compile_code(code: str, architecture: int) -> tuple[bytes, str]:
    """Return the machine code for GPUs of an architecture, like 90, and the compiler's warnings."""
    nvrtc, program = load(), ctypes.c_void_p()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), code.encode(), b"kernels.cu", 0, None, None) == 0
    options = [f"-arch=sm_{architecture}".encode(), b"--std=c++17"]
    failure = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    log = DEPRECATION.sub("", read(program, "ProgramLog").rstrip(b"\0").decode()).strip()
    if failure:
        raise CompilationError(log)
    return read(program, "CUBIN"), log


def read(program: ctypes.c_void_p, name: str) -> bytes:
    size = ctypes.c_size_t()
    assert getattr(load(), f"nvrtcGet{name}Size")(program, ctypes.byref(size)) == 0
    buffer = ctypes.create_string_buffer(size.value)
    assert getattr(load(), f"nvrtcGet{name}")(program, buffer) == 0
    return buffer.raw
