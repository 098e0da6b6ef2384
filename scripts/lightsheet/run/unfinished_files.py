"""Files that killed jobs left unfinished in a results folder."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from lightsheet.store import Results
from lightsheet.system import PART


def remove_unfinished(results: Results) -> None:
    """Remove the unfinished files that killed jobs left, a pilot's too; no job runs any more when this is called."""
    shutil.rmtree(results.pilot_scratch.folder, ignore_errors=True)
    shutil.rmtree(results.trials, ignore_errors=True)
    for name in ("work", "records"):
        _remove_files((results.folder / name).rglob(f"{PART}*"))
    remove_unfinished_pages(results)


def remove_unfinished_pages(results: Results) -> None:
    """Remove the unfinished files beside what people read, which are few; `remove_unfinished` walks through all."""
    for name in (".", "provenance", "psf"):
        _remove_files((results.folder / name).glob(f"{PART}*"))


def _remove_files(paths: Iterable[Path]) -> None:
    for path in list(paths):
        if path.is_file():  # publication sees to its folders
            path.unlink(missing_ok=True)
