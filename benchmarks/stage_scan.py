"""How surely a stage scan is found in its pixels: sign, angle, and false alarms.

    python benchmarks/stage_scan.py [--seeds 20] [--shape 40 128 160]

prints its table and keeps it in results/stage_scan.md.
"""

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy import ndimage
from support.machine import Load, describe_machine
from support.result_table import write_result

from lightsheet.processing.sample import choose_bands
from lightsheet.processing.straightness import describe_shift, measure_shift
from lightsheet.scan import suggest_scans
from lightsheet.scan.plane_shift import PlaneShift
from lightsheet.simulation import CHANNELS, model_image_psf
from lightsheet.simulation.optics import blur_photons, expose_camera
from lightsheet.simulation.scene import draw_scene

PIXEL = 0.104
ANGLES, STEPS, PHOTONS = (30, 31.5, 32.8, 45), (0.3, 0.4, 0.5), (30, 300)
EXPLANATION = """\
By `python benchmarks/stage_scan.py` on {machine}. {load}

Simulated cells with filaments, vesicles and beads (channels 488, 560, 642 nm of
`lightsheet.simulation`), {shape} voxels (z, y, x) of {pixel} um, {seeds} volumes of each kind and channel; angles 30,
31.5, 32.8 and 45 degrees, steps 0.3 to 0.5 um, both axes, both directions, peaks of 30 and 300 photons. A volume is
sampled as a run samples it. Right: sign and axis. Drift: evenly by up to 0.45 pixels from plane to plane, or at random
by 0.3. Alarm: what would be told, and refused if nothing is configured. Small volumes show one or two cells, whose
slanted structures bias the angle."""

Volume = np.ndarray[Any, np.dtype[Any]]


def record(channel: int, seed: int, shape: Sequence[int], distance: float, moves: Volume, photons: float) -> Volume:
    """Record a volume whose planes show the sample by `moves` (plane, 2) pixels farther along y and x."""
    voxel_size = {"z": distance, "y": PIXEL, "x": PIXEL}
    psf = model_image_psf(CHANNELS[channel], voxel_size)
    y, x = np.ceil(np.ptp(moves, axis=0)).astype(int) + 1
    field = (shape[0], shape[1] + int(y), shape[2] + int(x))
    light = blur_photons(draw_scene(channel, 0, field, psf, voxel_size, photons, seed), psf)
    starts = moves.max(axis=0) - moves
    planes = [ndimage.shift(plane, -start, order=3) for plane, start in zip(light, starts, strict=True)]
    return expose_camera(np.stack(planes)[:, : shape[1], : shape[2]], np.random.default_rng(seed))


def sample(volume: Volume) -> Volume:
    """Return the planes of a volume that a run looks at."""
    bands, _ = choose_bands(volume.shape, volume.itemsize)
    return np.concatenate([volume[band] for band in bands])


def try_scans(channel: int, shape: Sequence[int], seeds: int) -> Iterator[tuple[bool, bool, float, float]]:
    """Yield of each stage scan whether it is found, its sign and axis are right, how far its angle is off; seconds."""
    for seed in range(seeds):
        angle, step, photons = ANGLES[seed % 4], STEPS[seed % 3], PHOTONS[seed // 5 % 2]
        axis, direction = "xy"[seed // 2 % 2], (1, -1)[seed // 4 % 2]
        distance = step * math.sin(math.radians(angle))
        moves = np.zeros((shape[0], 2))
        moves[:, "yx".index(axis)] = -direction * step * math.cos(math.radians(angle)) / PIXEL * np.arange(shape[0])
        planes = sample(record(channel, seed, shape, distance, moves, photons))
        start = time.perf_counter()
        shift = measure_shift({0: planes}, shape[0])
        seconds = time.perf_counter() - start
        voxel_size = {"z": distance, "y": PIXEL, "x": PIXEL}
        scans = (
            suggest_scans(PlaneShift(**shift), voxel_size) if shift and describe_shift(shift, None, voxel_size) else []
        )
        is_right = bool(scans) and (scans[0]["axis"], scans[0]["direction"]) == (axis, direction)
        yield bool(scans), is_right, abs(scans[0]["angle"] - angle) if scans else math.nan, seconds


def count_alarms(channel: int, shape: Sequence[int], seeds: int, drifts: bool) -> int:
    """Count straight volumes that would be taken for a stage scan."""
    alarms = 0
    for seed in range(seeds):
        rng, distance = np.random.default_rng(seed), (0.15, 0.3)[seed % 2]
        moves = np.zeros((shape[0], 2))
        if drifts and seed % 2:
            moves = np.cumsum(rng.normal(0, 0.3, moves.shape), axis=0)
        elif drifts:
            moves += np.outer(np.arange(shape[0]), rng.uniform(-0.45, 0.45, 2))
        planes = sample(record(channel, seed, shape, distance, moves, PHOTONS[seed // 2 % 2]))
        voxel_size = {"z": distance, "y": PIXEL, "x": PIXEL}
        alarms += bool(describe_shift(measure_shift({0: planes}, shape[0]), None, voxel_size))
    return alarms


def main() -> None:
    """Print and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--shape", type=int, nargs=3, default=(40, 128, 160))
    options = parser.parse_args()
    load = Load()
    heads = ["channel", "found", "right", "angle off, median", "within 1 degree", "alarms, still", "alarms, drift", "s"]
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for channel, kind in enumerate(CHANNELS):
        found, right, off, seconds = zip(*try_scans(channel, options.shape, options.seeds), strict=True)
        alarms = [count_alarms(channel, options.shape, options.seeds, drifts) for drifts in (False, True)]
        number = options.seeds
        row = [f"{kind.excitation_nm} nm", f"{sum(found)} of {number}", f"{sum(right)} of {number}"]
        row += [f"{np.nanmedian(off):.2f}", f"{np.sum(np.array(off) <= 1)} of {number}"]
        row += [*(f"{count} of {number}" for count in alarms), f"{np.median(seconds):.2f}"]
        lines.append("| " + " | ".join(row) + " |")
    shape = " x ".join(map(str, options.shape))
    facts = {"shape": shape, "pixel": PIXEL, "seeds": options.seeds}
    text = EXPLANATION.format(**facts, machine=describe_machine(), load=load.describe())
    write_result("stage_scan", [text, "", *lines])


if __name__ == "__main__":
    main()
