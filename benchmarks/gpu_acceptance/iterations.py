"""Milliseconds and device memory of an iteration, for each acceleration and boundary, the volume on the device."""

from typing import Any

from gpu_acceptance.sheet import Sheet
from gpu_acceptance.sizes import Sizes
from gpu_acceptance.subject import (
    METHODS,
    estimate_memory,
    forget_channels,
    import_cupy,
    make_image,
    make_psf,
    measure_slope,
    restore,
)
from gpu_acceptance.traffic import count_bytes, find_cyclic_shape
from lightsheet.deconvolution.gpu_model import PASSES
from lightsheet.simulation import Array


def measure(sheet: Sheet, sizes: Sizes) -> None:
    """Fill the sheet."""
    psf, image = make_psf(sizes.psf), import_cupy().asarray(make_image(sizes.volume))
    sheet.put("volume", sizes.volume)
    for acceleration, boundary in METHODS:
        name = f"{acceleration}, {boundary}"
        row = sheet.attempt(name, measure_method, sizes, image, psf, acceleration, boundary)
        used, promised = (row[key] if row else float("nan") for key in ("GB of the device", "GB promised"))
        detail = f"{used:.2f} GB, promised {promised:.2f}"
        sheet.check(f"device memory is as promised: {name}", used <= promised, detail)


def measure_method(sizes: Sizes, image: Any, psf: Array, acceleration: str, boundary: str) -> dict[str, Any]:
    """Measure one method; CuPy's pool gives nothing back by itself, so that its size is the most that was used."""
    forget_channels()
    pool = import_cupy().get_default_memory_pool()
    before = pool.total_bytes() - image.nbytes
    seconds = measure_slope(
        lambda count: restore(image, psf, count, acceleration, boundary), sizes.counts, sizes.repeats
    )
    return {
        "ms": 1000 * seconds,
        "cyclic": find_cyclic_shape(sizes.volume, psf, boundary),
        "GB an iteration, by passes of an FFT (model)": {
            str(passes): count_bytes(sizes.volume, psf, acceleration, boundary, passes) / 1e9 for passes in PASSES
        },
        "GB of the device": (pool.total_bytes() - before) / 1e9,
        "GB promised": estimate_memory(sizes.volume, sizes.psf, acceleration, boundary) / 1e9,
    }
