"""Whether a file is the one that the provenance names."""

from collections.abc import Callable
from pathlib import Path

from lightsheet.system import InputError, digest_sha256

REWRITE = "remove ro-crate-metadata.json and run the workflow again to write the provenance anew"


def check_file(path: Path, expected: str, remedy: str, digest: Callable[[Path], str] = digest_sha256) -> None:
    """Refuse, with the remedy, a file that is missing or not the one that the provenance names."""
    check_presence(path, remedy)
    check_digest(path, digest(path), expected, remedy)


def check_presence(path: Path, remedy: str) -> None:
    """Refuse, with the remedy, what is missing."""
    if not path.exists():
        raise InputError(f"{path} is missing, but the provenance names it; {remedy}")


def check_digest(path: Path, digest: str, expected: str, remedy: str) -> None:
    """Refuse, with the remedy, a file with another digest than the provenance names."""
    if digest != expected:
        raise InputError(f"{path} is not the file that the provenance names, its digest differs; {remedy}")
