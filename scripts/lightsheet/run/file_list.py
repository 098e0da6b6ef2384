"""Which files a run is about: written down before its first job, for its jobs and for later runs."""

from collections.abc import Mapping
from typing import Any

from lightsheet.acquisition import Acquisition
from lightsheet.store import Results
from lightsheet.system import read_json, write_json


def write_file_list(results: Results, acquisition: Acquisition, store_state: Mapping[str, Any] | None) -> None:
    """Write the list of an acquisition's files, and what is used of Zarr stores, see `Survey`."""
    files = {"names": acquisition.tiff_names, "waiting": acquisition.waiting_files}
    stores = {"stores": store_state} if store_state else {}
    write_json(results.files, {**files, **stores, "excluded": acquisition.excluded_files})


def read_file_list(results: Results) -> Mapping[str, Any]:
    """Read which files an earlier run was about, or this one, in its jobs."""
    files = read_json(results.files)
    is_whole = isinstance(files, dict) and files.keys() >= {"names", "waiting"}
    return files if is_whole else {"names": None, "waiting": ()}
