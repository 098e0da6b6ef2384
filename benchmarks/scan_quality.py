"""Raw planes of a stage scan deconvolved where they were recorded, against deskewing first; and beads of any scan.

    python benchmarks/scan_quality.py

prints its tables and keeps them in results/scan_quality.md. Filaments of single labels are drawn on each lattice from
the formula of the geometry alone: what the camera sees, and the truth, as sums of Gaussians in the straight frame.
"""

import math
import sys
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.signal import fftconvolve
from scipy.special import ndtr
from support.machine import Load, describe_machine
from support.result_table import write_result

from lightsheet.deconvolution import richardson_lucy
from lightsheet.psf import prepare_psf
from lightsheet.scan import deskew

Array = np.ndarray[Any, Any]
Widths = tuple[float, float, float]  # standard deviations along z, y and x in micrometre

PIXEL = 0.1  # micrometre
BLUR = (0.35, 0.12, 0.12)  # of the PSF
RESOLUTIONS = ((0.05, 0.05, 0.05), (0.1, 0.1, 0.1))  # at which results are compared with the truth
FILAMENTS, SPACING, JITTER = 200, 0.05, 0.03  # how many; micrometre from label to label, and off the line
SHAPE = (60, 48, 96)
ITERATIONS = (20, 40, 80, 160)
SEEDS = (1, 2, 3)
PHOTONS = (30, 300)  # of the 99.5th percentile
SCAN = {"angle": 31.8, "step": 0.4, "axis": "x", "direction": 1}
OTHERS = (
    {"angle": 31.5, "step": 0.3, "axis": "y", "direction": -1},
    {"angle": 45.0, "step": 0.4, "axis": "x", "direction": -1},
)
BEAD_PEAK, BEAD_NOISE, BEAD_OFFSET = 20_000, 3, 104  # counts
BEADS = {
    "straight, planes 0.1 um apart": None,
    "scanned by the same stage in steps of 0.1 um": {**SCAN, "step": 0.1},
    "scanned by the same stage in steps of 0.4 um": SCAN,
    "scanned along y to the other side at 45 degrees, 0.2 um": {**OTHERS[1], "axis": "y", "step": 0.2},
}


class Lattice(NamedTuple):
    """Where voxels lie: the distance of planes, by how many pixels each moves on, and along which axis."""

    distance: float  # micrometre
    move: float = 0.0  # pixels
    axis: int = 2

    @property
    def voxel_size(self) -> dict[str, float]:
        """Of its voxels, in micrometre."""
        return {"z": self.distance, "y": PIXEL, "x": PIXEL}


def make_lattice(scan: Mapping[str, Any] | None) -> Lattice:
    """Return the lattice of a scan, or of straight planes that lie 0.1 um apart."""
    if scan is None:
        return Lattice(0.1)
    angle = math.radians(scan["angle"])
    move = scan["direction"] * scan["step"] * math.cos(angle) / PIXEL
    return Lattice(scan["step"] * math.sin(angle), move, "zyx".index(scan["axis"]))


def draw(points: Array, shape: tuple[int, ...], lattice: Lattice, widths: Widths) -> Array:
    """Draw points (n, 3), straight places in micrometre, as Gaussians of sum 1, integrated over voxels."""
    volume = np.zeros(math.prod(shape))
    sizes = (lattice.distance, PIXEL, PIXEL)
    reach = [math.ceil(5 * width / size) + 1 for width, size in zip(widths, sizes, strict=True)]
    low = np.floor(points[:, 0] / lattice.distance).astype(int)
    for plane in (low + step for step in range(-reach[0] + 1, reach[0] + 1)):
        weights = _integrate(plane * lattice.distance - points[:, 0], widths[0], lattice.distance)[:, None, None]
        weights = weights * ((plane >= 0) & (plane < shape[0]))[:, None, None]
        index = plane[:, None, None]
        moved = points / PIXEL
        moved[:, lattice.axis] -= plane * lattice.move
        for axis in (1, 2):
            around = np.arange(-reach[axis] + 1, reach[axis] + 1)
            places = np.expand_dims(np.floor(moved[:, axis]).astype(int)[:, None] + around, 3 - axis)
            offset = (places - moved[:, axis, None, None]) * PIXEL
            weights = weights * _integrate(offset, widths[axis], PIXEL) * ((places >= 0) & (places < shape[axis]))
            index = index * shape[axis] + places
        kept = weights > 0
        volume += np.bincount(index[kept], weights[kept], len(volume))
    return volume.reshape(shape)


def _integrate(offset: Array, width: float, size: float) -> Array:
    """Integrate a Gaussian over voxels whose middles lie at offsets."""
    return np.asarray(ndtr((offset + size / 2) / width) - ndtr((offset - size / 2) / width))


def draw_psf(lattice: Lattice, widths: Widths) -> Array:
    """Draw a point in the middle of a kernel that holds all of it."""
    reach = [math.ceil(5 * width / size) for width, size in zip(widths, (lattice.distance, PIXEL, PIXEL), strict=True)]
    reach[lattice.axis] += math.ceil(reach[0] * abs(lattice.move))
    middle = np.array([[reach[0] * lattice.distance, reach[1] * PIXEL, reach[2] * PIXEL]])
    middle[0, lattice.axis] += reach[0] * lattice.move * PIXEL
    return draw(middle, tuple(2 * n + 1 for n in reach), lattice, widths).astype(np.float32)


def grow_filaments(seed: int, lattice: Lattice) -> Array:
    """Return labels along straight filaments that lie in what a scan of `SHAPE` sees."""
    random, filaments = np.random.default_rng(seed), []
    for _ in range(FILAMENTS):
        start = np.array([random.uniform(5, n - 5) for n in SHAPE])
        start[lattice.axis] += start[0] * lattice.move
        start *= (lattice.distance, PIXEL, PIXEL)
        way = random.normal(size=3)
        way /= np.linalg.norm(way)
        labels = start + np.arange(0, random.uniform(0.3, 2.5), SPACING)[:, None] * way
        filaments.append(labels + random.normal(0, JITTER, labels.shape))
    return np.concatenate(filaments)


class Recording(NamedTuple):
    """Filaments as a stage scan records them."""

    scan: Mapping[str, Any]
    labels: Array
    noisy: Array
    gain: float
    measured: Array  # where the straight lattice was measured


def record(scan: Mapping[str, Any], seed: int, photons: float) -> Recording:
    """Record filaments by a stage scan, with photon noise."""
    lattice = make_lattice(scan)
    labels = grow_filaments(seed, lattice)
    light = draw(labels, SHAPE, lattice, BLUR)
    gain = float(photons / np.percentile(light, 99.5))
    noisy = np.random.default_rng(seed).poisson(light * gain).astype(np.float32)
    measured = deskew(np.ones_like(noisy), **scan, pixel=PIXEL) > 0.999
    return Recording(scan, labels, noisy, gain, measured)


class Judge:
    """Compares results on a lattice with the truth, both at the same resolution."""

    def __init__(self, recording: Recording, lattice: Lattice, widths: Widths) -> None:
        labels, self.inside = recording.labels.copy(), np.ones(SHAPE, bool)
        if not lattice.move:
            self.inside, move = recording.measured, make_lattice(recording.scan)
            labels[:, move.axis] -= min(0.0, (SHAPE[0] - 1) * move.move * PIXEL)
        self.gain, self.kernel = recording.gain, draw_psf(lattice, widths)
        self.truth = draw(labels, self.inside.shape, lattice, widths)[self.inside]

    def measure(self, result: Array) -> float:
        """Return the root of the mean square error by that of the truth."""
        seen = fftconvolve(result, self.kernel, "same")[self.inside] / self.gain
        return float(np.linalg.norm(seen - self.truth) / np.linalg.norm(self.truth))


def deconvolve(recording: Recording, psf: Array) -> Iterator[tuple[int, Array]]:
    """Yield the raw planes after some iterations."""
    for n in ITERATIONS:
        yield n, richardson_lucy(recording.noisy, psf, iterations=n, engine="cpu")


def deskew_and_deconvolve(recording: Recording, psf: Array) -> Iterator[tuple[int, Array]]:
    """Yield the deskewed planes after some iterations; what was not measured is left out."""
    deskewed = deskew(recording.noisy, **recording.scan, pixel=PIXEL) * recording.measured
    for n in ITERATIONS:
        yield n, richardson_lucy(deskewed, psf, iterations=n, engine="cpu", mask=recording.measured)


def compare_geometries(scan: Mapping[str, Any], seed: int, photons: float, widths: Widths) -> dict[str, float]:
    """Return the least error over the iterations: of nothing done, and of each way to deconvolve."""
    recording, lattice = record(scan, seed, photons), make_lattice(scan)
    bead, fine = draw_psf(Lattice(0.1), BLUR), Lattice(0.1).voxel_size
    straight = prepare_psf(bead, fine, lattice.voxel_size, 0.0)
    sheared = prepare_psf(bead, fine, lattice.voxel_size, 0.0, scan=scan)
    raw, deskewed = Judge(recording, lattice, widths), Judge(recording, Lattice(lattice.distance), widths)
    return {
        "nothing": raw.measure(recording.noisy),
        "straight": min(raw.measure(result) for _, result in deconvolve(recording, straight)),
        "deskewed": min(deskewed.measure(result) for _, result in deskew_and_deconvolve(recording, straight)),
        "sheared": min(raw.measure(result) for _, result in deconvolve(recording, sheared)),
    }


def measure_voxels(scan: Mapping[str, Any]) -> float:
    """Return the voxels of a scan by those of its deskewed volume."""
    return math.prod(SHAPE) / deskew(np.zeros(SHAPE, np.float32), **scan, pixel=PIXEL).size


def tabulate_geometries() -> list[str]:
    """Return the table of scans, photons, seeds and resolutions."""
    cases = [(SCAN, seed, RESOLUTIONS[0]) for seed in SEEDS]
    cases += [(SCAN, 1, RESOLUTIONS[1]), *((scan, 1, RESOLUTIONS[0]) for scan in OTHERS)]
    rows = []
    for scan, seed, widths in cases:
        for photons in PHOTONS:
            errors = compare_geometries(scan, seed, photons, widths)
            cells = " | ".join(f"{error:.3f}" for error in errors.values())
            name = f"{scan['angle']:g} | {scan['step']:g} | {'+' if scan['direction'] == 1 else '-'}{scan['axis']}"
            ratio = errors["sheared"] / errors["deskewed"]
            rows.append(
                f"| {name} | {photons} | {seed} | {widths[0] * 1000:.0f} | {cells} | {ratio:.3f} | "
                f"{measure_voxels(scan):.2f} |"
            )
    return [
        "| angle | step | along | photons | seed | at nm | nothing | straight | deskewed | sheared | ratio | voxels |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
        *rows,
    ]


def record_bead(scan: Mapping[str, Any] | None) -> tuple[Array, Lattice]:
    """Record a bead that lies between voxels, straight or by a stage scan, with all noise."""
    lattice, random = make_lattice(scan), np.random.default_rng(5)
    shape = [round(5.5 / lattice.distance), 41, 41]
    shape[lattice.axis] += math.ceil(25 * abs(lattice.move) * 0.1 / lattice.distance)
    middle = np.array([(n // 2 + part) for n, part in zip(shape, (0.7, -0.4, 1.3), strict=True)])
    middle[lattice.axis] += middle[0] * lattice.move
    light = draw(middle[None] * (lattice.distance, PIXEL, PIXEL), tuple(shape), lattice, BLUR)
    counts = random.poisson(light * (BEAD_PEAK / light.max())) + random.normal(BEAD_OFFSET, BEAD_NOISE, shape)
    return np.rint(counts).astype(np.uint16), lattice


def compare_beads(photons: float, beads: Mapping[str, Any], iterations: int) -> dict[str, tuple[float, Any]]:
    """Return the errors with the analytic PSF, with PSFs of recorded beads, and with one that is taken for straight."""
    recording, lattice = record(SCAN, 1, photons), make_lattice(SCAN)
    judge = Judge(recording, lattice, RESOLUTIONS[0])

    def measure(psf: Array) -> tuple[float, Any]:
        result = richardson_lucy(recording.noisy, psf, iterations=iterations, engine="cpu")
        return judge.measure(result), psf.shape

    errors = {"the analytic PSF": measure(draw_psf(lattice, BLUR))}
    for name, scan in beads.items():
        image, of_bead = record_bead(scan)
        psf = prepare_psf(image, of_bead.voxel_size, lattice.voxel_size, scan=SCAN, psf_scan=scan)
        errors[name] = measure(psf)
    image, of_bead = record_bead({**SCAN, "step": 0.1})
    errors["scanned in steps of 0.1 um, resampled as if straight"] = measure(
        prepare_psf(image, of_bead.voxel_size, lattice.voxel_size)
    )
    return errors


def tabulate_beads() -> list[str]:
    """Return the table of beads."""
    errors = [compare_beads(photons, BEADS, 80) for photons in PHOTONS]
    rows = []
    for name, (_, shape) in errors[0].items():
        cells = [f"{e[name][0]:.3f} | {e[name][0] / e['the analytic PSF'][0]:.3f}" for e in errors]
        rows.append(f"| {name} | {' x '.join(map(str, shape))} | {' | '.join(cells)} |")
    return [
        "| PSF | its voxels | 30 photons | by the analytic | 300 photons | by the analytic |",
        "|---|---|---|---|---|---|",
        *rows,
    ]


def main() -> int:
    """Print and keep the tables."""
    load = Load()
    geometries, beads = tabulate_geometries(), tabulate_beads()
    lines = [
        f"By `python benchmarks/scan_quality.py` on {describe_machine()}. {load.describe()}",
        "",
        "## Where the photons were counted, or deskewed first",
        "",
        f"{FILAMENTS} filaments of single labels in {SHAPE} raw voxels of {PIXEL} um; a PSF of standard deviations",
        f"{BLUR} um. The least NRMSE after {', '.join(map(str, ITERATIONS))} iterations, of the result and the truth",
        "at the resolution in the table (standard deviation), on the lattice of the result. Nothing: the raw planes.",
        "Straight: raw planes with a straight PSF. Deskewed: deskewed first, what was not measured left out. Sheared:",
        "raw planes with the sheared PSF; its ratio is to deskewed. Voxels: of the raw planes, by the deskewed ones.",
        "",
        *geometries,
        "",
        "Results are compared at a common resolution because the interpolation of deskewing blurs the image, which the",
        "straight PSF does not undo. Without, the scene decides: single voxels favour raw planes, smooth ones favour",
        "that blur, also over what was recorded straight.",
        "",
        "## Beads of any scan, for images in steps of 0.4 um",
        "",
        f"80 iterations, compared at {RESOLUTIONS[0][0] * 1000:.0f} nm. Beads lie between voxels, {BEAD_PEAK} photons",
        "at the peak, with all noise and an offset.",
        "",
        *beads,
    ]
    write_result("scan_quality", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
