"""A simulated acquisition: files that look like a lattice light-sheet's, with the truth beside them.

A volume depends on nothing but seed, channel and timepoint, so each can be made alone.
"""

import math
import re
import time
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from lightsheet.simulation.optics import blur_photons, expose_camera, model_image_psf, simulate_measured_psf
from lightsheet.simulation.scene import CHANNELS, Array, Shape, draw_scene
from lightsheet.simulation.stage import (
    list_borders,
    measure_field,
    measure_plane_distance,
    plan_scanned_psf,
    record_planes,
    write_settings,
)
from lightsheet.system import InputError, read_free_bytes, write_whole

VOXEL_SIZE = {"z": 0.3, "y": 0.104, "x": 0.104}
TIMEPOINT_MSEC, START_MSEC = 43_748, 1_291_795


def simulate_acquisition(
    folder: Path | str,
    *,
    name: str = "demo",
    channels: int = 2,
    timepoints: int = 4,
    shape: Shape = (40, 160, 128),
    voxel_size: Mapping[str, float] = VOXEL_SIZE,
    psf_shape: Shape = (61, 32, 32),
    peak_photons: float = 300.0,
    seed: int = 0,
    progress: Callable[[str], Any] = print,
    scan: Mapping[str, Any] | None = None,
) -> None:
    """Write a simulated acquisition, volume by volume, over whatever files have the same names.

    The folder gets the volumes (uint16, (z, y, x), counts), `psf/488.tif` and so on (uint16, (z, y, x), 0.1 um between
    planes), and `truth/` (float32, (z, y, x), photons per voxel before blurring).

    Of a stage scan the volumes are its raw planes, and the truth is straight, on the grid of `lightsheet.scan.deskew`;
    `psf/scanned/` has the same beads, scanned by the same stage in steps of 0.1 um, and NAME_Settings.txt says what a
    lattice microscope does of stage and lasers.

    Parameters
    ----------
    name : str
        Beginning of the files' names.
    channels, timepoints : int
        How many; at most three channels.
    shape, psf_shape, voxel_size
        (z, y, x) of a volume and of a PSF file, in voxels, and the voxel size of the volumes in micrometre.
    peak_photons : float
        About the brightest voxel of the first timepoint.
    seed : int
        Decides the scene and the noise.
    progress : callable
        Called with one line a volume.
    scan : mapping, optional
        `angle`, `step`, `axis` and `direction` of a stage scan, as `lightsheet.scan.deskew` takes them, which also give
        z of the voxel size: step * sin(angle).

    Raises
    ------
    InputError
        If a value makes no sense, the folder cannot be written, or the disk has too little room.
    """
    folder = Path(folder)
    if scan:
        voxel_size = {**voxel_size, "z": measure_plane_distance(scan, voxel_size)}
    _check(name, channels, timepoints, shape, psf_shape, voxel_size, peak_photons, seed)
    _make_room(folder, count_bytes(channels, timepoints, shape, psf_shape, voxel_size, scan), bool(scan))
    _write_psfs(folder / "psf", channels, psf_shape, voxel_size, seed, scan)
    if scan:
        lasers = [channel.excitation_nm for channel in CHANNELS[:channels]]
        write_settings(folder / f"{name}_Settings.txt", scan, shape[0], lasers)
    begin = time.perf_counter()
    volumes = list(product(range(timepoints), range(channels)))
    for count, (timepoint, number) in enumerate(volumes, 1):
        path = folder / name_volume(name, number, timepoint)
        truth, image = simulate_volume(number, timepoint, shape, voxel_size, peak_photons, seed, scan)
        _write(folder / "truth" / name_truth(number, timepoint), truth)
        _write(path, image)
        del truth, image  # or they would lie in memory while the next volume is made
        seconds = (time.perf_counter() - begin) / count
        rest = seconds * (len(volumes) - count)
        progress(f"{count}/{len(volumes)}  {path.name}  {seconds:.1f} s a volume, {rest:.0f} s left")


def _write_psfs(
    folder: Path,
    channels: int,
    shape: Shape,
    voxel_size: Mapping[str, float],
    seed: int,
    scan: Mapping[str, Any] | None,
) -> None:
    """Write the bead of each channel; of a stage scan also as the stage scanned it."""
    for number, channel in enumerate(CHANNELS[:channels]):
        pixels = simulate_measured_psf(channel, shape, voxel_size, np.random.default_rng([seed, 2, number]))
        _write(folder / f"{channel.excitation_nm}.tif", pixels)
        if scan:
            planes = plan_scanned_psf(scan, shape, voxel_size)
            rng = np.random.default_rng([seed, 3, number])
            pixels = simulate_measured_psf(channel, planes.shape, voxel_size, rng, planes.distance, planes.moves)
            _write(folder / "scanned" / f"{channel.excitation_nm}.tif", pixels)


def simulate_volume(
    channel: int,
    timepoint: int,
    shape: Shape,
    voxel_size: Mapping[str, float] = VOXEL_SIZE,
    peak_photons: float = 300.0,
    seed: int = 0,
    scan: Mapping[str, Any] | None = None,
) -> tuple[Array, Array]:
    """Make one volume, into which light from beyond the field leaks.

    Parameters
    ----------
    channel, timepoint, shape, voxel_size, peak_photons, seed, scan
        Indices of the volume; the others as for `simulate_acquisition`, but that z of the voxel size is that of the
        scan already.

    Returns
    -------
    truth : ndarray (z, y, x), float32, photons per voxel before blurring; longer than the image if that is a stage scan
    image : ndarray (z, y, x), uint16, counts: photons after blurring, with Poisson noise, camera offset and read noise
    """
    psf = model_image_psf(CHANNELS[channel], voxel_size)
    straight = measure_field(scan, shape, voxel_size) if scan else shape
    borders = list_borders(scan)
    z, y, x = (n + 2 * border for n, border in zip(straight, borders, strict=True))
    photons = draw_scene(channel, timepoint, (z, y, x), psf, voxel_size, peak_photons, seed)
    starts = [n // 2 + border for n, border in zip(psf.shape, borders, strict=True)]
    truth = photons[tuple(slice(start, start + n) for start, n in zip(starts, straight, strict=True))].copy()
    light = blur_photons(photons, psf)
    if scan:
        light = record_planes(light, scan, shape, voxel_size)
    return truth, expose_camera(light, np.random.default_rng([seed, 1, channel, timepoint]))


def count_bytes(
    channels: int,
    timepoints: int,
    shape: Shape,
    psf_shape: Shape,
    voxel_size: Mapping[str, float] = VOXEL_SIZE,
    scan: Mapping[str, Any] | None = None,
) -> int:
    """Return the bytes that `simulate_acquisition` writes: uint16 images and PSFs, float32 truth."""
    truth = math.prod(measure_field(scan, shape, voxel_size) if scan else shape)
    beads = math.prod(psf_shape) + (math.prod(plan_scanned_psf(scan, psf_shape, voxel_size).shape) if scan else 0)
    return channels * (timepoints * (math.prod(shape) * 2 + truth * 4) + beads * 2)


def name_volume(name: str, channel: int, timepoint: int) -> str:
    """Name a volume's file as the reference acquisition does; its time is `stackNNNN`, never `0000t`."""
    msec = timepoint * TIMEPOINT_MSEC
    return (
        f"{name}_CamA_ch{channel}_CAM1_stack{timepoint:04d}_{CHANNELS[channel].excitation_nm}nm"
        f"_{msec:07d}msec_{START_MSEC + msec:010d}msecAbs_000x_000y_000z_0000t.tif"
    )


def name_truth(channel: int, timepoint: int) -> str:
    """Name the file of a volume's truth."""
    return f"CamA_ch{channel}_{CHANNELS[channel].excitation_nm}nm_t{timepoint:04d}.tif"


def _check(
    name: str,
    channels: int,
    timepoints: int,
    shape: Shape,
    psf_shape: Shape,
    voxel_size: Mapping[str, float],
    peak_photons: float,
    seed: int,
) -> None:
    has_sizes = set(voxel_size) == set("zyx") and all(0.01 <= size <= 10 for size in voxel_size.values())
    checks = {
        f"name: {name!r} does not do for file names; use letters, digits, - and _": re.fullmatch(
            r"[A-Za-z0-9][A-Za-z0-9_-]*", name
        ),
        f"channels: {channels} is not between 1 and {len(CHANNELS)}": 1 <= channels <= len(CHANNELS),
        f"timepoints: {timepoints} is not between 1 and 10000": 1 <= timepoints <= 10_000,
        f"shape: {shape} is no volume; give at least 1 voxel along z, y and x": min(shape) >= 1,
        f"psf_shape: {psf_shape} holds no PSF; give at least 8 voxels along z, y and x": min(psf_shape) >= 8,
        f"voxel_size: {dict(voxel_size)} is not z, y and x between 0.01 and 10 micrometre": has_sizes,
        f"peak_photons: {peak_photons} is not above 0 and at most 60000": 0 < peak_photons <= 60_000,
        f"seed: {seed} is negative; give 0 or more": seed >= 0,
    }
    for sentence, is_valid in checks.items():
        if not is_valid:
            raise InputError(sentence)


def _make_room(folder: Path, size: int, has_scan: bool) -> None:
    """Create the folders, if the disk has room for what will be in them."""
    try:
        free = read_free_bytes(folder)
        if free < size:
            raise InputError(
                f"{folder}: {size / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free; "
                "choose another disk, or fewer timepoints"
            )
        for name in ("psf/scanned", "truth") if has_scan else ("psf", "truth"):
            (folder / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from error


def _write(path: Path, volume: Array) -> None:
    with write_whole(path) as part:
        tifffile.imwrite(part, volume, photometric="minisblack", metadata={"axes": "ZYX"})
