"""Commands in SLURM's place; `tests/slurm` has the real ones."""

from pathlib import Path


def command(folder: Path, name: str, script: str) -> None:
    """Write a command of this name, a shell script, into a folder that is on the PATH."""
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
