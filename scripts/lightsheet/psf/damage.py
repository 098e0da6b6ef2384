"""What is wrong with the image of a bead, each with its number: it is used all the same, and a person is told."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from scipy import ndimage

from lightsheet.psf.centre import Core
from lightsheet.psf.isolation import NOISE_LEFT, SIGNIFICANT, BeadImage, smooth_noise
from lightsheet.psf.measure import AXES, Array, Volume, find_peak
from lightsheet.psf.slant import SCANNED, measure_slant
from lightsheet.psf.straight import locate_in_image, move_back

SHELL = 0.02  # of the peak: beneath it an unsaturated one has more voxels than at its largest value
SECOND = 0.1  # of the peak, of anything else in the field
LOBE = 0.5  # of a spot, of the light at the other side of the peak: the two are side lobes then
CUT = 0.05  # of the peak, at the border
UNCERTAIN = 0.02  # of the peak, by which levels of the background may differ
DIM = 20.0  # times the camera's noise


def find_damage(
    image: Array, bead: BeadImage, core: Core, voxel_size: Mapping[str, float], background: float | str
) -> list[dict[str, Any]]:
    """Find what is wrong with a PSF.

    Return for each damage its `kind`, its `value`, the number that tells, and `text`, the words for a person.
    """
    damage = [
        *_find_saturation(image, bead),
        *_find_second(bead, core.centre, voxel_size),
        *_find_cut(bead),
        *_find_slant(bead, core, voxel_size),
        *_find_uncertain_offset(bead, background),
        *_find_dimness(bead),
    ]
    return [{"kind": kind, "value": float(f"{value:.4g}"), "text": text} for kind, value, text in damage]


Damage = Iterator[tuple[str, float, str]]


def _find_saturation(image: Array, bead: BeadImage) -> Damage:
    """Tell of a plateau: several voxels of the largest value side by side, and few just beneath it."""
    light = bead.raw_signal
    top = light.max()
    labels, _ = ndimage.label(light == top, np.ones((3, 3, 3)))
    plateau = labels == labels[find_peak(light)]
    step = 2 if image.dtype.kind in "iu" else 0
    number_beneath = int(np.count_nonzero((light < top) & (light >= top - max(SHELL * top, step))))
    count = int(np.count_nonzero(plateau))
    is_flat = bool((np.ptp(np.argwhere(plateau), axis=0) > 1).any())  # two voxels may be equally near the middle
    if is_flat and count > 3 and count > number_beneath:
        yield (
            "saturation",
            count,
            f"saturated: {count} voxels have its largest value, {image[find_peak(light)]:g}, so that it is flatter and "
            "wider than the microscope's PSF; record the bead with less light",
        )


def _find_second(bead: BeadImage, centre: Array, voxel_size: Mapping[str, float]) -> Damage:
    """Tell of the brightest spot besides the peak that is neither a hot pixel nor one of two side lobes."""
    smooth = smooth_noise(bead.light)
    peak = smooth[tuple(np.rint(centre).astype(int))]
    threshold = max(SECOND * peak, 2 * SIGNIFICANT * NOISE_LEFT * bead.noise)
    spots = np.argwhere((smooth == ndimage.maximum_filter(smooth, 7)) & (smooth > threshold))
    steps = np.array([voxel_size[axis] for axis in AXES])
    for spot in sorted(map(tuple, spots), key=lambda spot: -smooth[spot]):
        opposite = np.rint(2 * centre - spot).astype(int)
        is_inside = all(0 <= place < n for place, n in zip(opposite, smooth.shape, strict=True))
        if np.abs(spot - centre).max() < 3 or (is_inside and smooth[tuple(opposite)] > LOBE * smooth[spot]):
            continue
        if _is_hot_pixel(bead.light, spot):
            continue
        share = smooth[spot] / peak
        place = tuple(round(position) for position in locate_in_image(spot, bead.movement))
        distance = float(np.linalg.norm((spot - centre) * steps))
        yield (
            "second",
            share,
            f"not alone: a spot of {share:.0%} of its brightness lies {distance:.2g} um away, at "
            f"{place} (z, y, x), and none opposite; if that is another bead, cut it out of the image",
        )
        return


def _is_hot_pixel(light: Volume, spot: tuple[int, ...]) -> bool:
    """Tell whether a single voxel, or a column of them, makes a spot: the median around it is dark."""
    vicinity = light[tuple(slice(max(place - 1, 0), place + 2) for place in spot)]
    return bool(np.median(vicinity) < 0.1 * vicinity.max())


def _find_cut(bead: BeadImage) -> Damage:
    """Tell of light of the PSF at the border of what was measured."""
    smooth = move_back(smooth_noise(bead.signal), bead.movement)
    shares = {
        f"the {word} {axis}": float(np.take(smooth, end, number).max() / smooth.max())
        for number, axis in enumerate(AXES)
        for word, end in (("first", 0), ("last", -1))
    }
    place, share = max(shares.items(), key=lambda item: item[1])
    if share > CUT:
        yield (
            "cut",
            share,
            f"cut off: at {place} of its image it still has {share:.0%} of its brightness; give an image that holds "
            "all of it",
        )


def _find_slant(bead: BeadImage, core: Core, voxel_size: Mapping[str, float]) -> Damage:
    """Tell of a PSF whose long axis is not z, and of one that moves from plane to plane as a stage scan does."""
    slant = measure_slant(core, voxel_size)
    if slant is None:
        return
    text = f"tilted: its long axis lies {slant.degrees:.0f} degrees from z, towards {slant.axis}"
    is_straightened = bead.fill is not None or bead.movement.pixels  # by deskewing or rotating, or by us
    if abs(slant.move) < SCANNED or is_straightened:
        yield "tilt", slant.degrees, f"{text}; that is right only for images that are as oblique"
        return
    yield (
        "scan",
        slant.move,
        f"{text}, so that it moves by {abs(slant.move):.2g} voxels from plane to plane: it looks like a raw stage "
        "scan. If it is one, say how the stage moved in psf.scan, and it is straightened; if it is that of an oblique "
        "light sheet or of a rotated image, which looks the same, it is right as it is for images that were recorded "
        "or rotated alike",
    )


def _find_uncertain_offset(bead: BeadImage, background: float | str) -> Damage:
    peak = bead.light[bead.peak]
    lowest, highest = float(bead.levels.min()), float(bead.levels.max())
    threshold = 6 * bead.noise / np.sqrt(min(n for n in bead.light.shape)) / 3
    if background == "auto" and highest - lowest > max(UNCERTAIN * peak, threshold):
        yield (
            "offset",
            (highest - lowest) / peak,
            f"its background is uncertain: the faces of its image have {lowest:.4g} to {highest:.4g}, which differ by "
            f"{(highest - lowest) / peak:.0%} of its peak; give psf.background as a number, or an image with more "
            "room around the bead",
        )
    level = float(np.median(bead.levels))
    if background != "auto" and abs(level - bead.offset) > UNCERTAIN * peak:
        yield (
            "offset",
            (level - bead.offset) / peak,
            f"psf.background is {bead.offset:g}, but the faces of its image have {level:.4g}, off by "
            f"{abs(level - bead.offset) / peak:.0%} of its peak",
        )


def _find_dimness(bead: BeadImage) -> Damage:
    if bead.noise and (ratio := float(bead.light[bead.peak] / bead.noise)) < DIM:
        yield (
            "dim",
            ratio,
            f"dim: its peak is {ratio:.2g} times the camera's noise; record it with more light or average beads",
        )
