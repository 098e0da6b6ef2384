"""What decides the method: how near each choice comes to the truth, and after how many iterations.

    python benchmarks/quality.py [--shape 32 64 64] [--seeds 1]

prints its tables and keeps them in results/quality.md.
"""

import argparse
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import product
from statistics import mean, median
from typing import Any

import numpy as np
import scipy.fft
from support.ground_truth import DATA, Array, Case, bars, beads, simulated
from support.result_table import write_result

from lightsheet.deconvolution import CHOICES, Method, auto_iterations, fourier
from lightsheet.deconvolution.backend import Backend, correct_planes, make_numpy_backend
from lightsheet.deconvolution.padding import Weights
from lightsheet.simulation import CAMERA_NOISE
from lightsheet.system import InputError

PEAKS = (30, 300, 3000)  # photons
MOST = 200  # iterations tried
RULES = CHOICES["acceleration"]
BACKEND = make_numpy_backend()
EXPLANATION = """\
By `python benchmarks/quality.py`, simulated volumes of {shape}. NRMSE, ||estimate - truth|| / ||truth|| over the field
of view, at the best iteration, and which that is. Simulated: mean and median over the three channels and {seeds}
seed(s), with the camera's offset and noise of `lightsheet.simulation`. Bars: flowdec's. Beads: confocal, with the PSF
measured on them; their truth is a point each, found by matched filtering, and it and the estimate are compared after
the same slight blur. Up to {most} iterations were tried."""


@cache
def curve(case: Case, method: Method, backend: Backend = BACKEND) -> list[float]:
    """Return the NRMSE of each iteration until it clearly rises, or of the first `MOST`."""
    setup = fourier.prepare(case.image.shape, case.psf, method, backend)
    errors: list[float] = []
    for estimate in fourier.iterate_estimates(case.image, setup, method, backend):
        errors.append(case.error(estimate))
        if len(errors) > 1.5 * int(np.argmin(errors)) + 10 or len(errors) == MOST:
            break
    return errors


def best(curves: list[list[float]]) -> str:
    """Format the mean of the lowest NRMSEs, and the median of their iterations."""
    iteration = median(int(np.argmin(each)) + 1 for each in curves)
    return f"{mean(map(min, curves)):.3f} @ {'>= ' if iteration >= MOST else ''}{iteration:g}"


def table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Format a table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return ["", f"## {title}", "", *("| " + " | ".join(line) + " |" for line in lines)]


def starts(groups: dict[str, list[Case]]) -> list[str]:
    """Compare boundaries and first estimates, without acceleration."""
    pairs = list(product(CHOICES["boundary"], CHOICES["start"]))
    rows = [
        [name, *(best([curve(case, Method(0, *pair)) for case in cases]) for pair in pairs)]
        for name, cases in groups.items()
    ]
    return table("Boundary and start", ["image", *(f"{boundary}, {start}" for boundary, start in pairs)], rows)


def additive(new: Array, prediction: Array, previous: Array, more: Any, less: Any) -> None:  # noqa: ARG001
    """Extrapolate as published, in place of `momentum.extrapolate`."""
    prediction[...] = np.maximum(new + (more - 1) * (new - previous), 0)
    previous[...] = new
    new[...] = prediction


def correct_and_add(
    correction: Array, prediction: Array, previous: Array, weights: Weights, more: Any, less: Any
) -> None:
    """Correct as `backend.correct_and_extrapolate`, and extrapolate as published."""
    correct_planes(correction, prediction, weights, clips=True)
    additive(correction, prediction, previous, more, less)


def accelerations(groups: dict[str, list[Case]]) -> list[str]:
    """Compare plain Richardson-Lucy with momentum: as a power, and as a sum."""
    as_sum = BACKEND._replace(extrapolate=additive, correct_and_extrapolate=correct_and_add)
    kinds = list(product(RULES[1:], (BACKEND, as_sum)))
    heads = ["image", "none", *(f"{rule}, {'a sum' if kind is as_sum else 'a power'}" for rule, kind in kinds)]
    rows = [
        [name, best([curve(case, Method(0)) for case in cases]), *(against_plain(cases, *kind) for kind in kinds)]
        for name, cases in groups.items()
    ]
    return table("Acceleration (and iterations until the best without it is reached)", heads, rows)


def against_plain(cases: list[Case], rule: str, backend: Backend) -> str:
    """Format the best, and the share of plain's iterations in which plain's best NRMSE is reached."""
    curves = [curve(case, Method(0, acceleration=rule), backend) for case in cases]
    reached = []
    for case, errors in zip(cases, curves, strict=True):
        plain = curve(case, Method(0))
        enough = np.flatnonzero(np.array(errors) <= min(plain))
        reached.append(f"{enough[0] + 1}/{int(np.argmin(plain)) + 1}" if enough.size else "never")
    return f"{best(curves)} ({', '.join(reached)})"


def back_projectors(groups: dict[str, list[Case]]) -> list[str]:
    """Show unmatched back projectors at their best: iterations up to 3, and parameters chosen by the truth itself."""
    rows = []
    for name, cases in groups.items():
        plain = [curve(case, Method(0, "replicate", "flat")) for case in cases]
        ways = [[three_iterations(case, kind) for case in cases] for kind in (wiener_butterworth, masked_wiener)]
        above = [100 * mean(w / min(p) - 1 for w, p in zip(way, plain, strict=True)) for way in ways]
        rows.append([name, best(plain), *(f"{mean(w):.3f} (+{a:.0f} %)" for w, a in zip(ways, above, strict=True))])
    heads = ["image", "matched", "Wiener-Butterworth", "OTF-masked Wiener"]
    return table("Back projectors, at most 3 iterations, their parameters chosen by the truth", heads, rows)


def three_iterations(case: Case, kind: Callable[[Array, float, float], Array]) -> float:
    """Return the lowest NRMSE in three iterations, over a back projector's parameters; replicated edges, flat start."""
    setup = fourier.prepare(case.image.shape, case.psf, Method(3, "replicate"), BACKEND)
    shape, view = setup.frame.shape, setup.frame.view
    otf = setup.otf / setup.otf[0, 0, 0]
    observed = fourier.replicate_edge(case.image, setup.frame, np)
    lowest = np.inf
    for alpha, cutoff in product((0.3, 0.1, 0.03, 0.01, 0.003, 0.001), (0.1, 0.03, 0.01, 0.003)):
        back = kind(otf, alpha, cutoff)
        estimate, quotient = np.ones(shape, np.float32), observed
        for _ in range(3):
            correction = scipy.fft.irfftn(scipy.fft.rfftn(quotient) * back / back[0, 0, 0], s=shape)
            estimate *= np.maximum(correction, 0)
            lowest = min(lowest, case.error(estimate[view]))
            blurred = scipy.fft.irfftn(scipy.fft.rfftn(estimate) * otf, s=shape)
            quotient = observed / np.where(blurred < fourier.ITK_THRESHOLD, np.inf, blurred)
    return lowest


def masked_wiener(otf: Array, alpha: float, cutoff: float) -> Array:
    """Return the Wiener filter inside the OTF's support (Ruan et al. 2024, Nat. Methods 21, 2342)."""
    return np.where(np.abs(otf) > cutoff, otf.conj() / (np.abs(otf) ** 2 + alpha), 0).astype(np.complex64)


def wiener_butterworth(otf: Array, alpha: float, cutoff: float) -> Array:
    """Return the Wiener filter times a Butterworth filter (Guo et al. 2020, Nat. Biotechnol. 38, 1337).

    The latter, of order 10, is `cutoff` where the OTF along each axis falls below that.
    """
    z, y, x = otf.shape[0], otf.shape[1], 2 * (otf.shape[2] - 1)
    axes = [np.fft.fftfreq(z), np.fft.fftfreq(y), np.fft.rfftfreq(x)]
    profiles = [np.abs(otf[:, 0, 0]), np.abs(otf[0, :, 0]), np.abs(otf[0, 0])]
    limits = [np.abs(axis[profile >= cutoff]).max() for axis, profile in zip(axes, profiles, strict=True)]
    squared = sum((part / limit) ** 2 for part, limit in zip(np.meshgrid(*axes, indexing="ij"), limits, strict=True))
    low_pass = 1 / np.sqrt(1 + (1 / cutoff**2 - 1) * squared**10)
    return np.asarray(low_pass * otf.conj() / (np.abs(otf) ** 2 + alpha), np.complex64)


def automatic(groups: dict[str, list[Case]]) -> list[str]:
    """Compare `iterations: auto`, and the discrepancy principle, with the best iteration."""
    rows = []
    for name, cases in groups.items():
        row = [", ".join(chosen(case, Method(0, acceleration=rule)) for case in cases) for rule in RULES]
        known = name.startswith("simulated")
        rows.append([name, *row, ", ".join(map(discrepancy, cases)) if known else "noise unknown"])
    heads = ["image", *RULES, "discrepancy principle, heavy-ball"]
    return table("Automatic number of iterations, and by how much its NRMSE is above the best", heads, rows)


def chosen(case: Case, method: Method) -> str:
    """Format what `iterations: auto` chooses."""
    try:
        return above_best(case, method, auto_iterations.choose_iterations(case.image, case.psf, method, BACKEND))
    except InputError:
        return f"> {auto_iterations.MAX_ITERATIONS}"


def above_best(case: Case, method: Method, iterations: int) -> str:
    """Format a number of iterations and how far above the best NRMSE it ends."""
    setup = fourier.prepare(case.image.shape, case.psf, method, BACKEND)
    result = fourier.iterate(case.image, setup, method._replace(iterations=iterations), BACKEND)
    return f"{iterations} ({100 * (case.error(result) / min(curve(case, method)) - 1):+.1f} %)"


def discrepancy(case: Case) -> str:
    """Format where the residual first is what the noise, known exactly, explains (Morozov 1966)."""
    method = Method(0, acceleration="heavy-ball")
    setup = fourier.prepare(case.image.shape, case.psf, method, BACKEND)
    usual = fourier.make_divider(case.image, setup, BACKEND)
    residuals: list[float] = []

    def divide(blurred: Array) -> None:
        expected = blurred[setup.frame.view]
        residuals.append(float(np.mean((case.image - expected) ** 2 / (expected + CAMERA_NOISE**2))))
        usual(blurred)

    for _ in fourier.iterate_estimates(case.image, setup, method, BACKEND, divide):
        if residuals[-1] < 1:
            return above_best(case, method, len(residuals))
    raise AssertionError


def main(argv: Sequence[str] | None = None) -> int:
    """Print and keep the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=int, nargs=3, default=(32, 64, 64), help="(z, y, x) of simulated volumes")
    parser.add_argument("--seeds", type=int, default=1, help="simulated volumes of each channel")
    options = parser.parse_args(argv)
    groups = {
        f"simulated, {peak} photons": [
            simulated(peak, channel, seed, tuple(options.shape))
            for channel in range(3)
            for seed in range(options.seeds)
        ]
        for peak in PEAKS
    }
    if DATA.is_dir():
        groups |= {"bars": [bars()], "beads": [beads()]}
    sections = [section(groups) for section in (starts, accelerations, back_projectors, automatic)]
    explanation = EXPLANATION.format(shape=tuple(options.shape), seeds=options.seeds, most=MOST)
    write_result("quality", [explanation, *(line for section in sections for line in section)])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
