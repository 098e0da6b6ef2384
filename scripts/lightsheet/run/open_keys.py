"""What a configuration leaves to be said: `lightsheet init` writes TODO where only a person knows it."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from lightsheet.system import InputError, escape_name, join_first

TODO = "TODO"

MOST_KEYS = 12
"""The most keys that a sentence lists."""


def list_open_keys(value: Any, key: str = "") -> Iterator[str]:
    """Yield the keys of a configuration whose value is TODO."""
    items: Any = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        yield from list_open_keys(item, f"{key}.{name}" if key else str(name))
    if value == TODO:
        yield key


def refuse_open_keys(config: Mapping[str, Any]) -> None:
    """Refuse a configuration in which something is still to be said."""
    if keys := list(list_open_keys(config)):
        raise InputError(
            f"config: still to be said ({TODO}): {escape_name(join_first(keys, MOST_KEYS))}; write what they are, the "
            "comments beside them say why they are not known; `snakemake inventory` needs none of psf"
        )


def lacks_psfs(config: Mapping[str, Any]) -> bool:
    """Tell whether a configuration does not name all PSFs yet."""
    section = config.get("psf")
    if section in (None, TODO):
        return True
    if not isinstance(section, Mapping):
        return False
    files = section.get("files")
    return files in (None, TODO, {}) or any(True for _ in list_open_keys(section))


def leave_out_psfs(config: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a configuration without PSFs, and what is still to be said of them, and the schema of such a one."""
    section = config.get("psf")
    psf = {name: _close(value) for name, value in section.items()} if isinstance(section, Mapping) else {}
    psf = {name: value for name, value in psf.items() if name != "files" and value != TODO}
    psf_free_schema = copy.deepcopy(dict(schema))
    psf_free_schema["properties"]["psf"]["required"] = []
    return {**config, "psf": psf}, psf_free_schema


def _close(value: Any) -> Any:
    """Return a section without what is still to be said of it."""
    return {name: item for name, item in value.items() if item != TODO} if isinstance(value, Mapping) else value
