"""Parts of other programs that no documentation promises: looked up before they are relied on."""

import inspect
from collections.abc import Iterable
from importlib import metadata
from typing import Any


def find_missing_parts(subject: Any, names: Iterable[str]) -> list[str]:
    """Return the attributes that an object or a class lacks; none is evaluated, for some can be only later."""
    absent = object()
    return [name for name in names if inspect.getattr_static(subject, name, absent) is absent]


def explain_missing_part(package: str, part: str, series: str) -> str:
    """Say which part of an installed package is missing, and with which series of it the workflow was tried."""
    try:
        version = metadata.version(package)
    except metadata.PackageNotFoundError:
        version = "of an unknown version"
    return (
        f"this {package} {version} has no {part}, on which the workflow relies; it was tried with {package} {series}: "
        f"install that (pip install '{package}~={series}'), or a newer version of the workflow"
    )
