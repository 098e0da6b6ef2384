"""Engine `itk`: ITK's RichardsonLucyDeconvolutionImageFilter, the reference, in a process of its own.

ITK holds the GIL for the whole call, minutes at full size; in a Dask worker the heartbeat would stop and the
scheduler drop the worker. Dask's workers are daemons, which multiprocessing forbids children, so this is a
plain subprocess, `python -m lightsheet.deconvolution.itk`: the job comes in and the result goes out as pickles
of arrays, which travel through the pipes without a copy.
"""

import os
import pickle
import signal
import subprocess
import sys
import tempfile
from importlib.metadata import version as version_of
from pathlib import Path
from typing import IO, Any

import numpy as np

from lightsheet.deconvolution.method import Method

Array = np.ndarray[Any, Any]

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def deconvolve(image: Array, psf: Array, method: Method, threads: int | None) -> Array:
    """Deconvolve one volume with boundary "replicate", start "image" and no acceleration: ITK has no others.

    RuntimeError if the process ends without a result: its exit code or signal, and the last line that it printed.
    """
    image = np.ascontiguousarray(image, np.float32)  # of others ITK makes a copy, and frees it before its use
    job = (image, np.ascontiguousarray(psf), method.iterations, threads, os.getpid())
    with tempfile.TemporaryFile() as errors, _start_process(errors) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            with process.stdin:
                pickle.dump(job, process.stdin, protocol=5)
            result: Array = pickle.load(process.stdout)
        except (BrokenPipeError, EOFError, pickle.UnpicklingError):
            raise RuntimeError(f"ITK's process ended with {_explain_exit(process.wait(), errors)}") from None
        except BaseException:
            process.kill()
            raise
    return result


def version() -> str:
    """Name the library that computes."""
    return f"itk {version_of('itk')}"


def _start_process(errors: IO[bytes]) -> subprocess.Popen[bytes]:
    scripts = str(Path(__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-P", "-m", __name__],  # -P: a file itk.py in the working directory must not be ITK
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [scripts, os.environ.get("PYTHONPATH")]))},
    )


def _explain_exit(code: int, errors: IO[bytes]) -> str:
    """Name the exit code or signal of the process, and the last line that it printed."""
    errors.seek(0)
    lines = errors.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
    if code >= 0:
        return f"exit code {code}: {lines[-1]}"
    hint = ", perhaps for lack of memory" if -code == signal.SIGKILL else ""
    return f"signal {signal.Signals(-code).name}{hint}: {lines[-1]}"


def _main() -> None:
    """Do one job: read it from stdin, write the result to stdout."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever ITK prints must not get into the result
    image, psf, iterations, threads, parent = pickle.load(sys.stdin.buffer)
    if sys.platform == "linux":  # it kills this process when the parent goes, for no Python runs here while ITK does
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the call
            os.kill(os.getpid(), signal.SIGKILL)
    pickle.dump(_run_filter(image, psf, iterations, threads), out, protocol=5)
    out.close()


def _run_filter(image: Array, psf: Array, iterations: int, threads: int | None) -> Array:
    import itk

    # Asking `itk` for the filter would load a thousand modules, 8 s; these two are what it needs, 0.4 s.
    from itk.itkRichardsonLucyDeconvolutionImageFilterPython import (
        itkRichardsonLucyDeconvolutionImageFilterIF3IF3 as Filter,
    )
    from itk.itkVnlFFTImageFilterInitFactoryPython import itkVnlFFTImageFilterInitFactory

    itkVnlFFTImageFilterInitFactory.RegisterFactories()
    if threads:
        itk.MultiThreaderBase.SetGlobalDefaultNumberOfThreads(threads)
    boundary = itk.ZeroFluxNeumannBoundaryCondition[itk.Image[itk.F, 3]]()  # ITK keeps only its address
    engine = Filter.New()
    engine.SetInput(itk.image_view_from_array(image))
    engine.SetKernelImage(itk.image_view_from_array(psf))
    engine.SetBoundaryCondition(boundary)
    engine.NormalizeOn()
    engine.SetNumberOfIterations(iterations)
    engine.Update()
    result: Array = itk.array_from_image(engine.GetOutput())
    return result


if __name__ == "__main__":
    _main()
