"""Which engine a setting stands for. Light to import: it is asked whenever records are compared.

`cpu` is the compiled engine; where that cannot be used, all of a run is done by `cpu-sweeps` instead, whose pixels
differ in rounding. So a run decides it once, when it begins, and its jobs learn of it from their environment, for
their nodes may differ.
"""

import os
from functools import cache

from lightsheet.deconvolution import gpu_trial
from lightsheet.deconvolution.lanes.processor import explain_absence
from lightsheet.deconvolution.method import ENGINES, check_choice
from lightsheet.system import InputError, logger

CPU_ENGINES = ("cpu", "cpu-sweeps")

DECISION = "LIGHTSHEET_CPU_ENGINE"


def resolve_engine(engine: str, is_used_here: bool = False) -> str:
    """Name the engine that a setting stands for.

    Parameters
    ----------
    engine : str
        One of `ENGINES`, or "auto": "gpu" where a GPU computes rightly, else "cpu", and why is said where CuPy is
        installed.
    is_used_here : bool
        Whether this process itself computes: then it tries the GPU, else a process that it starts for that.

    Returns
    -------
    str, one of `ENGINES`; for "cpu", "cpu-sweeps" if the run has decided so, or if this process cannot compile
    """
    check_choice("engine", engine, ("auto", *ENGINES))
    if engine == "auto":
        reason = gpu_trial.explain_absence() if is_used_here else gpu_trial.ask_for_gpu().absence
        engine = "cpu" if reason else "gpu"
        _tell_of_gpu(reason)
    return _choose_cpu_engine() if engine == "cpu" else engine


@cache  # once a process
def _tell_of_gpu(reason: str | None) -> None:
    if reason not in (None, gpu_trial.NO_CUPY):
        logger.warning("Engine auto is cpu here, though CuPy is installed: %s.", reason)


def list_engines(engine: str) -> tuple[str, ...]:
    """List the engines that a setting may stand for on a machine that may have a GPU or not."""
    return ("gpu", resolve_engine("cpu")) if engine == "auto" else (resolve_engine(engine),)


def decide_cpu_engine() -> None:
    """Decide for all jobs that this process starts what "cpu" stands for, and say so if it is not the fast one."""
    os.environ[DECISION] = _choose_cpu_engine()
    if os.environ[DECISION] == "cpu-sweeps":
        logger.warning(
            "Engine cpu computes several times slower (as cpu-sweeps): %s.", explain_absence() or "as decided"
        )


def _choose_cpu_engine() -> str:
    decision = os.environ.get(DECISION)
    if decision in CPU_ENGINES:
        return decision
    return "cpu-sweeps" if explain_absence() else "cpu"


def check_engine(engine: str) -> None:
    """Refuse what this process cannot compute, so that no other engine does it instead: InputError with the reason."""
    if engine == "gpu":
        gpu_trial.check_gpu()
    if engine == "cpu" and (reason := explain_absence()):
        raise InputError(
            f"engine: cpu cannot be used on {os.uname().nodename}: {reason}; keep workers off such nodes, or choose "
            "engine: cpu-sweeps, which computes everywhere, several times slower"
        )
