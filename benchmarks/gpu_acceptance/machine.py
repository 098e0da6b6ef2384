"""Versions, and the bandwidths on which all else rests."""

import platform
import subprocess
from importlib import import_module, metadata
from typing import Any

import numpy as np
import psutil

from gpu_acceptance.sheet import Sheet
from gpu_acceptance.sizes import Sizes
from gpu_acceptance.subject import fill_device, import_cupy, measure_seconds, synchronise
from lightsheet.deconvolution import describe_engine, resolve_engine
from lightsheet.deconvolution.gpu_trial import explain_absence
from lightsheet.system import count_cores

PACKAGES = ("numpy", "scipy", "numba", "torch", "scikit-image", "numcodecs")

PROPERTIES = ("major", "minor", "multiProcessorCount", "totalGlobalMem", "l2CacheSize", "memoryBusWidth")


def measure(sheet: Sheet, sizes: Sizes) -> None:
    """Fill the sheet."""
    sheet.attempt("versions", read_versions)
    sheet.attempt("nvidia-smi", ask_nvidia_smi)
    sheet.attempt("device", read_device)
    sheet.put("host", {"cores": count_cores(), "memory GB": psutil.virtual_memory().total / 1e9})
    sheet.try_check("the engine finds the device, compiles and transforms", prove_engine)
    sheet.attempt("GB/s, copy on the device, read and written", measure_copy, sizes)
    sheet.attempt("GB/s, numbers scaled in place, read and written", measure_scaling, sizes)
    sheet.attempt("GB/s, between host and device, pinned", measure_transfers, sizes)


def read_versions() -> dict[str, Any]:
    """Name what computes."""
    cupy, versions = import_cupy(), {"python": platform.python_version()}
    versions |= {name: metadata.version(name) for name in PACKAGES if _is_installed(name)}
    runtime = cupy.cuda.runtime
    versions |= {
        "cupy": cupy.__version__,
        "driver's CUDA": runtime.driverGetVersion(),
        "CUDA": runtime.runtimeGetVersion(),
    }
    return versions | {"engine": describe_engine("gpu")}


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def ask_nvidia_smi() -> str:
    """Return the driver's word on the device."""
    query = "--query-gpu=name,driver_version,memory.total,memory.used,clocks.mem,clocks.sm,power.limit,ecc.mode.current"
    return subprocess.run(
        ["nvidia-smi", query, "--format=csv"], capture_output=True, text=True, check=True, timeout=10
    ).stdout


def read_device() -> dict[str, Any]:
    """Return what bounds the device's speed."""
    properties = import_cupy().cuda.runtime.getDeviceProperties(0)
    return {"name": properties["name"].decode(), **{name: properties.get(name) for name in PROPERTIES}}


def prove_engine() -> tuple[bool, str]:
    """Try the engine as a run does."""
    return resolve_engine("auto") == "gpu", explain_absence() or describe_engine("auto")


def measure_copy(sizes: Sizes) -> float:
    """Return the bandwidth of a copy, of which each byte is read and written."""
    source, target = (fill_device((sizes.copy_bytes // 4,), value) for value in (1, 0))

    def copy() -> None:
        target[...] = source

    copy()
    return 2 * sizes.copy_bytes / measure_seconds(copy, 20) / 1e9


def measure_scaling(sizes: Sizes) -> float:
    """Return the bandwidth of the lightest kernel that computes."""
    numbers, factor = fill_device((sizes.copy_bytes // 4,), 1), np.float32(1.5)
    np.multiply(numbers, factor, out=numbers)
    return 2 * sizes.copy_bytes / measure_seconds(lambda: np.multiply(numbers, factor, out=numbers), 20) / 1e9


def measure_transfers(sizes: Sizes) -> dict[str, float]:
    """Return the bandwidth of a volume's way to the device and back, from and into pinned memory."""
    cupy, shape = import_cupy(), (sizes.copy_bytes // 12,)
    host = import_module("cupyx").empty_pinned(shape, np.float32)
    host.fill(1)
    device, stream = cupy.empty(shape, np.float32), cupy.cuda.Stream(non_blocking=True)

    def upload() -> None:
        device.set(host, stream=stream)
        stream.synchronize()

    def download() -> None:
        cupy.asnumpy(device, stream=stream, out=host)
        stream.synchronize()

    synchronise()
    return {name: host.nbytes / measure_seconds(way, 10) / 1e9 for name, way in (("to", upload), ("from", download))}
