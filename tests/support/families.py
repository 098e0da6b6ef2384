"""Families of cases, which take long as a whole."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest


def parametrize(
    names: str | Sequence[str], cases: Iterable[Any], quick: int = 1, **options: Any
) -> pytest.MarkDecorator:
    """Do as `pytest.mark.parametrize`: `make check` tries the first cases, as many as are quick, `make test` all."""
    cases = list(cases)
    parts = [(case,) if isinstance(names, str) else case for case in cases[quick:]]
    rest = [pytest.param(*part, marks=pytest.mark.slow) for part in parts]
    return pytest.mark.parametrize(names, [*cases[:quick], *rest], **options)
