"""Whether this machine can compile, and what its processor has. Light to import, for those who only ask."""

import os
import platform
from functools import cache
from importlib.util import find_spec


@cache
def list_features() -> frozenset[str]:
    """Return the names of what the processor has, in LLVM's words, or of what numba is told to use."""
    features = os.environ.get("NUMBA_CPU_FEATURES")
    if features is None:
        from llvmlite import binding

        features = binding.get_host_cpu_features().flatten()
    return frozenset(feature[1:] for feature in features.split(",") if feature.startswith("+"))


@cache
def explain_absence() -> str:
    """Say why compiled engines cannot be used in this process; empty if they can."""
    for module in ("numba", "llvmlite"):
        if find_spec(module) is None:
            return f"{module} is not installed"
    if os.environ.get("NUMBA_DISABLE_JIT", "0") != "0":
        return "NUMBA_DISABLE_JIT is set"
    if platform.machine() in ("arm64", "aarch64") or "fma" in list_features():
        return ""
    return "the processor has no fused multiply-add (FMA)"
