"""How a job fails when some of its volumes could not be done."""

from collections.abc import Sequence

from lightsheet.system import InputError


def raise_failures(errors: Sequence[str], total: int, action: str, *end: str) -> None:
    """Raise an `InputError` that names each volume that could not be done, if there are any."""
    if errors:
        lines = [f"{len(errors)} of {total} volumes could not be {action}:", *errors, *end]
        raise InputError("\n".join(lines))
