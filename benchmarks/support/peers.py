"""The deconvolutions that benchmarks/deconvolution.py compares, and one measurement of one of them."""

import re
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from importlib import import_module
from math import nan
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import scipy.fft

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from lightsheet.deconvolution import make_trimmed_frame, richardson_lucy
from lightsheet.simulation import Array


class Method(NamedTuple):
    """A way to deconvolve, and at which iteration counts its quality is looked at."""

    name: str
    run: Callable[[Array, Array, int, int], Array]  # image, psf, iterations, threads
    package: str = "numpy"
    qualities: tuple[int, ...] = ()
    loop: str = ""  # module of `lightsheet.deconvolution` whose iterations can be timed; other loops are closed


class Measured(NamedTuple):
    """One run: seconds and gigabytes."""

    seconds: float
    iteration: float  # the median of those that were timed, the first and the last left out; NaN of a closed loop
    memory: float
    error: float  # NRMSE; NaN without a truth


def ours(image: Array, psf: Array, iterations: int, threads: int, **method: Any) -> Array:
    """Deconvolve with an engine of ours."""
    result: Array = richardson_lucy(image, psf, iterations=iterations, threads=threads, **method)
    return result


def scikit_image(image: Array, psf: Array, iterations: int, threads: int) -> Array:
    """Deconvolve as scikit-image's users do, with an odd-sized PSF, which does not shift the result."""
    psf = np.pad(psf, [(0, 1 - k % 2) for k in psf.shape])
    restoration = import_module("skimage.restoration")
    with scipy.fft.set_workers(threads):
        result: Array = restoration.richardson_lucy(image, psf, iterations, clip=False, filter_epsilon=1e-3)
    return result


def redlionfish(image: Array, psf: Array, iterations: int, threads: int) -> Array:  # noqa: ARG001 (all share a signature)
    """Deconvolve with RedLionfish on the CPU, which asks for one thread; it gives an odd x axis one voxel more."""
    result: Array = import_module("RedLionfishDeconv").doRLDeconvolutionFromNpArrays(
        image, psf, niter=iterations, method="cpu"
    )
    return result[:, :, : image.shape[2]]


def redlionfish_with_threads(image: Array, psf: Array, iterations: int, threads: int) -> Array:
    """Do the same with all FFTs on several threads, which is SciPy's doing."""
    with scipy.fft.set_workers(threads):
        return redlionfish(image, psf, iterations, threads)


def bare_ffts(image: Array, psf: Array, iterations: int, threads: int) -> Array:
    """Transform as often as an iteration of plain Richardson-Lucy does, and do nothing else."""
    _, layout = make_trimmed_frame(image.shape, psf, "extended")
    volume = np.zeros(layout.shape, np.float32)
    volume[layout.view] = image
    for _ in range(2 * iterations):
        spectrum = scipy.fft.rfftn(volume, workers=threads)
        volume = scipy.fft.irfftn(spectrum, layout.shape, workers=threads, overwrite_x=True)
    return volume[layout.view]


CPU = Method("cpu", partial(ours, engine="cpu"), qualities=(8, 12, 16, 20), loop="fused")
BALL = Method(
    "cpu, heavy ball",
    partial(ours, engine="cpu", acceleration="heavy-ball"),
    qualities=(6, 7, 8, 10),
    loop="fused",
)
SWEEPS = Method("cpu-sweeps", partial(ours, engine="cpu-sweeps"), loop="sweeps")
# Pixel for pixel what ITK computes (tests/deconvolution/test_itk.py), so that ITK need not run for hours.
TWIN = Method("ITK", partial(ours, engine="cpu", boundary="replicate"), qualities=(8, 10, 12, 16))
ITK = Method("ITK", partial(ours, engine="itk", boundary="replicate"), "itk")
SKIMAGE = Method("scikit-image", scikit_image, "scikit-image", qualities=(8, 12))
REDLIONFISH = Method("RedLionfish, as it comes: 1 thread", redlionfish, "RedLionfish")
THREADED = Method("RedLionfish, FFTs on all threads", redlionfish_with_threads, "RedLionfish", qualities=(4, 6, 8))
FFTS = Method("four bare 3-D FFTs", bare_ffts)
OURS, PEERS = (CPU, BALL, SWEEPS), (SKIMAGE, REDLIONFISH, THREADED, ITK)


def in_a_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call the function in a process that has done nothing before."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def measure(folder: Path, method: Method, iterations: int, threads: int) -> Measured:
    """Deconvolve the volume in a folder, in this process."""
    method.run(np.ones((8, 8, 8), np.float32), np.ones((3, 3, 3), np.float32), 1, threads)  # loads libraries
    image, psf = np.load(folder / "image.npy"), np.load(folder / "psf.npy")
    times = time_calls(method.loop, "_iterate") if method.loop else []
    begin = time.perf_counter()
    result = method.run(image, psf, iterations, threads)
    seconds = time.perf_counter() - begin
    memory = peak_of_child() if method.package == "itk" else peak()
    error = nan
    if (folder / "truth.npy").exists():
        truth = np.load(folder / "truth.npy")
        error = float(np.linalg.norm(result - truth) / np.linalg.norm(truth))
    return Measured(seconds, median(times[1:-1]) if times[2:] else nan, memory, error)


def measure_sweeps(folder: Path, method: Method, iterations: int, threads: int) -> list[float]:
    """Return the median seconds of each of the four sweeps of an iteration, in this process."""
    times = time_calls(method.loop, "_call_in_threads")
    method.run(np.load(folder / "image.npy"), np.load(folder / "psf.npy"), iterations, threads)
    whole = times[-1 - 4 * (iterations - 1) : -5]  # without the setup, the last iteration and the result
    return [median(whole[sweep::4]) for sweep in range(4)]


def time_calls(module: str, name: str) -> list[float]:
    """Time the calls of a function of the deconvolution's, from now on; the list grows by the seconds of each."""
    home, times = import_module(f"lightsheet.deconvolution.{module}"), list[float]()
    call = getattr(home, name)

    def timed(*arguments: Any) -> Any:
        begin = time.perf_counter()
        try:
            return call(*arguments)
        finally:
            times.append(time.perf_counter() - begin)

    setattr(home, name, timed)
    return times


def peak() -> float:
    """Return the largest resident size of this process so far, in GB."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024 / 1e9


def peak_of_child() -> float:
    """Return that of the process in which engine itk works."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9


def copied_per_second(threads: int) -> float:
    """Return the bytes read and written per second when each thread copies its own array."""
    arrays = [(np.ones(1 << 26, np.float32), np.ones(1 << 26, np.float32)) for _ in range(threads)]
    seconds = []
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(7):
            begin = time.perf_counter()
            list(pool.map(lambda pair: np.copyto(*pair), arrays))
            seconds.append(time.perf_counter() - begin)
    return 2 * sum(to.nbytes for to, _ in arrays) / min(seconds)
