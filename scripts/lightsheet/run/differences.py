"""Why a volume is done again, in a few words: what its record says, against what this run would do."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lightsheet.store import Record

CHANGED_TIFF = "its TIFF changed"
CHANGED_CHUNKS = "its chunks in the Zarr changed"
EARLIER_VERSION = "an earlier version of the workflow made it"


def explain_sources(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> str:
    """Say how the files of a volume differ from those that its record names; empty if they do not.

    A file whose path or date alone has changed is read again, and its volume done again if its digest differs.
    """
    old = [{key: value for key, value in source.items() if key != "blake3"} for source in old]
    if old == new:
        return ""
    if not new:
        return "its file is missing now"
    if not old:
        return "its file has come"
    change = CHANGED_CHUNKS if all("stamp" in source for source in new) else CHANGED_TIFF
    if [source["bytes"] for source in old] != [source["bytes"] for source in new]:
        return change
    if [source["path"] for source in old] != [source["path"] for source in new]:
        return f"{change} {'their' if change == CHANGED_CHUNKS else 'its'} path"
    if [source.get("pages") for source in old] == [source.get("pages") for source in new]:
        return f"{change} {'their dates' if change == CHANGED_CHUNKS else 'its date'}"
    return "its place in the Zarr is another" if change == CHANGED_CHUNKS else "its pages in the TIFF are others"


def explain_inputs(record: Record, inputs: Mapping[str, Any]) -> str:
    """Say how the inputs of a volume differ from those that its record names, when the fingerprints differ."""
    if not record.keys() >= inputs.keys() - {"region"}:
        return EARLIER_VERSION
    return ", ".join(_list_differences(record, inputs)) or "its record was damaged"


DEFAULTS = {"precision": "full"}
"""What settings are where they do not stand among the others."""


def explain_settings(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Say which settings differ, like `iterations 10 -> 4`; empty if none does."""
    return ", ".join(
        f"{key} {_write_value(old.get(key, DEFAULTS.get(key)))} -> {_write_value(new.get(key, DEFAULTS.get(key)))}"
        for key in {**new, **old}
        if old.get(key) != new.get(key)
    )


def _list_differences(record: Record, inputs: Mapping[str, Any]) -> Iterator[str]:
    if record["source"] != inputs["source"]:
        yield CHANGED_CHUNKS if any("stamp" in source for source in record.get("sources", ())) else CHANGED_TIFF
    for key in ("ingest", "algorithm"):
        if record.get(key) != inputs.get(key):
            yield f"{key} version {record[key]} -> {inputs[key]}"
    if record.get("psf") != inputs.get("psf"):
        yield "its PSF changed"
    if settings := explain_settings(record.get("settings", {}), inputs.get("settings", {})):
        yield settings
    parts = [_write_region(content.get("region")) for content in (record, inputs)]
    if parts[0] != parts[1]:
        yield "input.select {} -> {}".format(*parts)
    old, new = record.get("layout"), inputs.get("layout")
    if not old or not new:  # raw volumes that are not kept have none
        return
    if old["codec"] != new["codec"]:
        yield f"codec {_write_value(old['codec'])} -> {_write_value(new['codec'])}"
    if old["levels"] != new["levels"] and parts[0] == parts[1]:
        shapes = [tuple(layout["levels"][0][0]) for layout in (old, new)]
        yield "shape {} -> {}".format(*shapes) if shapes[0] != shapes[1] else "its pyramid or chunks changed"
    if "settings" not in inputs and old["dtype"] != new["dtype"]:
        yield f"dtype {old['dtype']} -> {new['dtype']}"


def _write_region(region: Any) -> str:
    """Write which part of volumes is selected: `z 50:100, x 0:64`, or `all voxels`."""
    spans = zip("zyx", region or (), strict=False)
    parts = [f"{axis} {start}:{stop}" for axis, (start, stop, size) in spans if stop - start < size]
    return ", ".join(parts) or "all voxels"


def _write_value(value: Any) -> str:
    """Write a setting in a sentence: a codec as `blosc(clevel 1, cname zstd)`, another mapping as `x 0.1, y 0.1`."""
    if value is None:
        return "none"
    if not isinstance(value, Mapping):
        return str(value)
    if "name" in value:
        return f"{value['name']}({_write_value(value.get('configuration', {}))})"
    return ", ".join(f"{key} {_write_value(item)}" for key, item in sorted(value.items()))
