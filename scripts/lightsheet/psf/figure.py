"""The picture of a PSF: slices through its brightest voxel, to scale, and profiles along its axes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lightsheet.psf.measure import AXES, Volume, cut_profiles, find_peak, measure_fwhm
from lightsheet.system import write_whole

GAMMA = 0.4  # shows lobes of 1 % of the peak at 16 % of the colours


def draw_psf(psf: Volume, voxel_size: Mapping[str, float], title: str, path: Path) -> None:
    """Draw slices of a PSF through its brightest voxel, to scale in micrometre, and profiles along its axes.

    Parameters
    ----------
    psf : ndarray (z, y, x)
    voxel_size : mapping, micrometre along `z`, `y` and `x`
    title : str, above the picture
    path : Path, the PNG file, which appears whole or not at all
    """
    from matplotlib.figure import Figure  # imported here because that takes longer than preparing a PSF

    _, height, width = extent = [n * voxel_size[axis] for axis, n in zip(AXES, psf.shape, strict=True)]
    figure = Figure(figsize=(9, 8), layout="constrained")
    ratios = [[max(side, max(extent) / 3) for side in (size, extent[0])] for size in (width, height)]
    grid = figure.subplots(2, 2, width_ratios=ratios[0], height_ratios=ratios[1])
    z, y, x = find_peak(psf)
    _draw_slice(grid[0, 0], psf[z], voxel_size, "yx", (y, x))
    _draw_slice(grid[0, 1], psf[:, :, x].T, voxel_size, "yz", (y, z))
    image = _draw_slice(grid[1, 0], psf[:, y], voxel_size, "zx", (z, x))
    _plot_profiles(grid[1, 1], psf, voxel_size)
    label = f"relative intensity, colours at gamma {GAMMA}"
    figure.colorbar(image, ax=grid[1, :], location="bottom", label=label, shrink=0.6, aspect=40)
    figure.suptitle(title)
    with write_whole(path) as part:
        figure.savefig(part, format="png", dpi=110, metadata={"Software": None})


def _draw_slice(axes: Any, plane: Any, voxel_size: Mapping[str, float], names: str, centre: tuple[int, int]) -> Any:
    """Show a plane whose axes are `names` (down, right), in micrometre from `centre`."""
    from matplotlib.colors import PowerNorm

    down, right = (
        np.array([-0.5 - position, n - 0.5 - position]) * voxel_size[name]
        for position, n, name in zip(centre, plane.shape, names, strict=True)
    )
    axes.set(xlabel=f"{names[1]} (µm)", ylabel=f"{names[0]} (µm)", title="".join(sorted(names)))
    norm = PowerNorm(GAMMA, vmin=0, vmax=1)
    return axes.imshow(plane / plane.max(), norm=norm, cmap="magma", extent=(*right, down[1], down[0]))


def _plot_profiles(axes: Any, psf: Volume, voxel_size: Mapping[str, float]) -> None:
    widths = measure_fwhm(psf, voxel_size)
    for axis, peak, profile in zip(AXES, find_peak(psf), cut_profiles(psf), strict=True):
        distance = (np.arange(len(profile)) - peak) * voxel_size[axis]
        label = f"{axis}: FWHM {widths[axis]:.3f} µm"
        axes.semilogy(distance, profile / profile.max(), ".-", ms=4, label=label, nonpositive="mask")
    axes.axhline(0.5, color="grey", lw=0.8, ls=":")
    axes.set(xlabel="distance from the peak (µm)", ylabel="relative intensity", ylim=(1e-4, 1.5))
    axes.legend(frameon=False, fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0))
