r"""Names of files and folders that are no text, or more than a line of it: shown readably, refused where they are used.

Linux takes any bytes for a name. Python reads those that are not UTF-8 as lone surrogates, which no log, table or page
can hold, and a line break or an escape sequence in a name would forge lines of a log.
"""

import os
import re
from pathlib import Path

from lightsheet.system.errors import InputError
from lightsheet.system.escapes import SURROGATE, UNPRINTABLE, escape_name

RENAME = "rename it (`convmv -f latin1 -t utf8` renames many)"


def find_name_fault(name: str) -> str | None:
    """Say why a name cannot be used, None if it can."""
    if re.search(SURROGATE, name):
        return "is not UTF-8"
    return "has a control character in it" if re.search(UNPRINTABLE, name) else None


def check_path(path: Path) -> None:
    """Refuse a path that no log, table or page can hold, the folders above it and those that links lead to included."""
    for make_whole in (os.path.abspath, os.path.realpath):
        whole = make_whole(path)
        if fault := find_name_fault(whole):
            raise InputError(f"'{escape_name(whole)}': this path {fault}; {RENAME}")
