"""CuPy's arrays with in-place FFTs by cuFFT: the backend of engine `gpu`."""

from collections.abc import Iterable
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from lightsheet.deconvolution.backend import Backend, Buffer
from lightsheet.deconvolution.gpu_kernels import Kernels
from lightsheet.deconvolution.padding import Shape, round_up_shape

PRIMES = (2, 3, 5, 7)
"""cuFFT has kernels of its own for sizes of these factors."""

MOST_VOXELS = 2**31 - 1
"""Of a cyclic array, with what rows are longer by in place: cuFFT's plans, as CuPy makes them, count in 32 bits."""


def round_up_for_cufft(sizes: Iterable[int]) -> Shape:
    """Round each axis up to a size that cuFFT likes: x to an even one, of which real numbers take half the work."""
    z, y, x = sizes
    z, y, half = round_up_shape((z, y, -(-x // 2)), PRIMES)
    return z, y, 2 * half


def measure_in_place(shape: Shape) -> Shape:
    """Return the shape of a cyclic array in whose place there is room for its spectrum."""
    z, y, x = shape
    return z, y, 2 * (x // 2 + 1)


class Transforms:
    """cuFFT's plans of each shape, forward and back; all work in one area, for only one transforms at a time."""

    def __init__(self, cupy: ModuleType) -> None:
        self.cupy = cupy
        self.plans: dict[Shape, tuple[Any, Any]] = {}
        self.area: Any = None

    @property
    def area_bytes(self) -> int:
        """Size of the area."""
        return int(self.area.mem.size) if self.area is not None else 0

    def allocate_buffer(self, shape: Shape) -> Buffer:
        """Allocate for a cyclic array of a shape."""
        z, y, x = shape
        spectrum = self.cupy.empty((z, y, x // 2 + 1), np.complex64)
        return Buffer(spectrum.view(np.float32)[:, :, :x], spectrum)

    def forward(self, buffer: Buffer) -> None:
        """Transform the real numbers into their spectrum."""
        forward, _ = self._find_plans(buffer.real.shape)
        forward.fft(buffer.real, buffer.spectrum, self.cupy.cuda.cufft.CUFFT_FORWARD)

    def inverse(self, buffer: Buffer) -> None:
        """Transform the spectrum into real numbers."""
        _, inverse = self._find_plans(buffer.real.shape)
        inverse.fft(buffer.spectrum, buffer.real, self.cupy.cuda.cufft.CUFFT_INVERSE)

    def keep(self, shapes: set[Shape]) -> None:
        """Drop the plans of all other shapes, and the area with the last plan."""
        self.plans = {shape: plans for shape, plans in self.plans.items() if shape in shapes}
        if not self.plans:
            self.area = None

    def _find_plans(self, shape: Shape) -> tuple[Any, Any]:
        if shape not in self.plans:
            with self.cupy.cuda.using_allocator(self._share_area):
                area = None
                while area is None or area is not self.area:  # the second plan may want a larger one than the first
                    forward = self._make_plan(shape, is_inverse=False)
                    area = self.area
                    inverse = self._make_plan(shape, is_inverse=True)
            self.plans[shape] = forward, inverse
        return self.plans[shape]

    def _make_plan(self, shape: Shape, is_inverse: bool) -> Any:
        cufft, in_place = self.cupy.cuda.cufft, measure_in_place(shape)
        half = (*shape[:2], in_place[2] // 2)
        if is_inverse:
            return cufft.PlanNd(shape, half, 1, 1, in_place, 1, 1, cufft.CUFFT_C2R, 1, "C", 2, shape[2])
        return cufft.PlanNd(shape, in_place, 1, 1, half, 1, 1, cufft.CUFFT_R2C, 1, "C", 2, half[2])

    def _share_area(self, size: int) -> Any:
        """Return the area for a plan, which is made anew where it is too small: then all plans are."""
        if self.area is None or self.area_bytes < size:
            self.plans.clear()
            self.area = None
            self.area = self.cupy.get_default_memory_pool().malloc(size)
        return self.area


@cache
def get_transforms(cupy: ModuleType) -> Transforms:
    """Return the process's plans."""
    return Transforms(cupy)


@cache
def get_backend(cupy: ModuleType) -> Backend:
    """Return the process's backend."""
    transforms, kernels = get_transforms(cupy), Kernels(cupy)
    return Backend(
        cupy,
        round_up_for_cufft,
        transforms.allocate_buffer,
        transforms.forward,
        transforms.inverse,
        kernels.multiply,
        kernels.multiply_by_conjugate,
        kernels.place,
        kernels.make_divider,
        kernels.correct,
        kernels.correct_and_extrapolate,
        kernels.correct_and_compare,
        kernels.extrapolate,
    )
