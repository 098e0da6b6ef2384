"""The tasks of a block: what each volume needs, and which of them are due."""

from collections.abc import Mapping, Sequence
from typing import Any

from lightsheet.processing.channel_choices import Choice
from lightsheet.processing.fingerprint import list_result_inputs
from lightsheet.processing.trial_choices import find_noise
from lightsheet.store import Record, Results, StoreLayout, VolumeKey, is_done, read_record, write_hole
from lightsheet.system import write_json


def plan_tasks(
    results: Results,
    raw_records: Mapping[VolumeKey, Record],
    settings: Mapping[str, Mapping[str, Any]],
    psfs: Mapping[str, str],
    layout: StoreLayout,
    shape: Sequence[int],
    choices: Mapping[str, Choice],
) -> dict[VolumeKey, dict[str, Any]]:
    """Return the arguments of `deconvolve_volume` for each volume, and whether it is `missing`."""
    tasks = {}
    for raw_key, raw in raw_records.items():
        key, channel = raw_key._replace(kind="result"), raw_key.channel
        tasks[key] = {
            "results": results,
            "key": key,
            "psf": results.psf(channel, ".tif"),
            "settings": settings[channel],
            "layout": layout,
            "shape": shape,
            "sampled": choices[channel]["timepoints"] if channel in choices else (),
            "noise": find_noise(settings[channel], choices.get(channel), psfs[channel]),
            "missing": raw.get("missing", False),
            "inputs": list_result_inputs(raw, psfs[channel], settings[channel], layout),
        }
    return tasks


def select_due_tasks(
    results: Results, tasks: Mapping[VolumeKey, dict[str, Any]], layout: StoreLayout, attempt: int
) -> tuple[dict[VolumeKey, dict[str, Any]], list[str]]:
    """Return the tasks of volumes that are not done, and what failed in an earlier attempt; holes are written here."""
    todo, errors = {}, []
    for key, task in tasks.items():
        record = read_record(results, key)
        has_failed = record and record["status"] == "failed"
        missing = task.pop("missing")
        if is_done(record, task["inputs"], results, key):
            continue
        if missing:
            write_json(results.record(key), write_hole(results, key, layout, task["inputs"], "write"))
        elif record and has_failed and attempt > 1:
            errors.append(f"{key.label}: {record['error']}")
        else:
            todo[key] = task
            if has_failed:
                results.record(key).unlink()  # the failure was of an earlier run
    return todo, errors
