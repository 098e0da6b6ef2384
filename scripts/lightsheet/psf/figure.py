"""The picture of a PSF: slices through its brightest voxel, to scale, and profiles along its axes."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lightsheet.psf.measure import AXES, Volume, cut_profiles, find_peak, measure_fwhm
from lightsheet.system import write_whole

WIDTH, HEIGHT = 5.6, 5.3  # inch, without warnings: letters of 8 points can be read where a page shows it at 400 pixels
FONT, DPI = 8, 180
LINE, LINE_HEIGHT = 95, 0.15  # characters, inch
FLOOR = 1e-4
"""Relative intensity at which profiles end."""

GAMMA = 0.4  # shows lobes of 1 % of the peak at 16 % of the colours


def draw_psf(
    psf: Volume,
    voxel_size: Mapping[str, float],
    title: str,
    path: Path,
    warnings: Sequence[str] = (),
    noise: float = 0.0,
) -> None:
    """Draw slices of a PSF through its brightest voxel, to scale in micrometre, and profiles along its axes.

    Parameters
    ----------
    psf : ndarray (z, y, x)
    voxel_size : mapping, micrometre along `z`, `y` and `x`
    title : str, above the picture
    path : Path, the PNG file, which appears whole or not at all
    warnings : sequence of str, in red below the title
    noise : float, standard deviation of the image's noise by its brightest voxel
    """
    from matplotlib import rc_context  # imported here because that takes longer than preparing a PSF

    with rc_context({"font.size": FONT, "axes.titlesize": FONT, "axes.linewidth": 0.6}):
        _draw(psf, voxel_size, title, path, warnings, noise)


def _draw(
    psf: Volume, voxel_size: Mapping[str, float], title: str, path: Path, warnings: Sequence[str], noise: float
) -> None:
    from matplotlib.figure import Figure

    lines = [line for warning in warnings for line in textwrap.wrap(f"! {warning}", LINE, subsequent_indent="  ")]
    height = HEIGHT + LINE_HEIGHT * len(lines)
    figure = Figure(figsize=(WIDTH, height))
    figure.text(0.5, 1 - 0.2 / height, title, ha="center", va="center", size=FONT + 1)
    for number, line in enumerate(lines):
        figure.text(0.2 / WIDTH, 1 - (0.42 + LINE_HEIGHT * number) / height, line, color="#c00000", size=7, va="center")
    places = _place_panels([n * voxel_size[axis] for axis, n in zip(AXES, psf.shape, strict=True)])
    axes = {name: figure.add_axes(_relate(box, height)) for name, box in places.items()}
    z, y, x = find_peak(psf)
    _draw_slice(axes["yx"], psf[z], voxel_size, "yx", (y, x))
    _draw_slice(axes["yz"], psf[:, :, x].T, voxel_size, "yz", (y, z))
    image = _draw_slice(axes["zx"], psf[:, y], voxel_size, "zx", (z, x))
    _plot_profiles(axes["profiles"], psf, voxel_size, noise)
    colours = figure.add_axes(_relate((1.6, 0.42, 2.4, 0.08), height))
    figure.colorbar(image, cax=colours, orientation="horizontal").set_label(
        f"relative intensity, colours at gamma {GAMMA}"
    )
    with write_whole(path) as part:
        figure.savefig(part, format="png", dpi=DPI, metadata={"Software": None})


Box = tuple[float, float, float, float]
"""Left, bottom, width and height in inch, from the lower left corner."""


def _place_panels(extent: Sequence[float]) -> dict[str, Box]:
    """Place the panels so that slices share their sides with their neighbours; narrow ones get more room than that.

    By hand, as matplotlib's own layout takes half of the time that a PSF takes in all.
    """
    depth, rows, columns = extent
    depth = max(depth, max(extent) / 2)  # the profiles need room
    rows, columns = max(rows, depth / 3), max(columns, depth / 3)
    left, right, gap, bottom, top = 0.55, 0.12, 0.62, 1.0, 0.55
    scale = min((WIDTH - left - gap - right) / (columns + depth), (HEIGHT - bottom - gap - top) / (rows + depth))
    width, height = WIDTH - left - gap - right - scale * depth, HEIGHT - bottom - gap - top - scale * depth
    lower, right_column = bottom + scale * depth + gap, left + width + gap
    return {
        "yx": (left, lower, width, height),
        "yz": (right_column, lower, scale * depth, height),
        "zx": (left, bottom, width, scale * depth),
        "profiles": (right_column, bottom, scale * depth, scale * depth - 0.24),
    }


def _relate(box: Box, height: float) -> Box:
    """Return a box as shares of the figure."""
    left, bottom, width, top = box
    return left / WIDTH, bottom / height, width / WIDTH, top / height


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


def _plot_profiles(axes: Any, psf: Volume, voxel_size: Mapping[str, float], noise: float) -> None:
    """Plot the profiles down to the noise of the image, below which only dots tell what there is."""
    widths = measure_fwhm(psf, voxel_size)
    floor = max(noise, FLOOR)
    for axis, peak, profile in zip(AXES, find_peak(psf), cut_profiles(psf), strict=True):
        distance = (np.arange(len(profile)) - peak) * voxel_size[axis]
        label, share = f"{axis}: FWHM {widths[axis]:.3f} µm", profile / profile.max()
        (line,) = axes.semilogy(distance, np.maximum(share, floor), lw=1.2, label=label)
        axes.semilogy(distance, share, ".", ms=3, color=line.get_color(), alpha=0.5, nonpositive="mask")
    if noise > FLOOR:
        axes.axhspan(FLOOR / 10, noise, color="0.9", lw=0)
        axes.text(0.02, 0.02, "noise of the image", transform=axes.transAxes, color="0.4", size=FONT - 1.5)
    axes.axhline(0.5, color="grey", lw=0.8, ls=":")
    axes.set(xlabel="distance from the peak (µm)", ylabel="relative intensity", ylim=(FLOOR, 1.5))
    axes.legend(frameon=False, fontsize=FONT - 1, loc="lower center", bbox_to_anchor=(0.5, 0.98), labelspacing=0.2)
