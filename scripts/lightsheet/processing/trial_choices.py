"""What is chosen for a channel by trying its PSF on sampled timepoints: `iterations`, `scale` and `precision: auto`.

The job that deconvolves tries, on its workers, before the first volume of the channel, and adds to the channel's entry
in `records/channels.json`, under the name of the setting: the `value`, what the `timepoints` say, and the `basis`: the
other settings and the PSF. It is kept, for timepoints that are appended too, until any of these changes.
"""

import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from lightsheet.deconvolution import ALGORITHM_VERSION
from lightsheet.processing.channel_choices import Choice, read_choices, write_choices
from lightsheet.processing.rounding import choose_scale, choose_whole_bits
from lightsheet.processing.sample import spread
from lightsheet.store import ALL_BITS, Results
from lightsheet.system import NOTICE, InputError, logger, read_json, wait_until_visible

TRIAL_SETTINGS = ("iterations", "scale", "precision")
"""Settings that may be auto; the others need the first, and results have one of these two."""

PER_VOLUME = "auto-per-volume"
"""For iterations: each volume by itself, whose settings then say auto."""

MOST_TIMEPOINTS = 3

Call = Callable[[str, Mapping[str, Mapping[str, Any]]], Mapping[str, str]]
"""Tries a setting on the workers, once for each of the keyword arguments by name; returns errors by name."""


def list_open_settings(settings: Mapping[str, Any], choice: Choice | None, psf_sha256: str | None) -> list[str]:
    """Name the settings of a channel that are to be tried: they are auto, and no earlier trial holds for them.

    Parameters
    ----------
    settings : mapping, from `resolve_settings`
    choice : Choice, of the channel
    psf_sha256 : str, digest of the PSF used; None if it must be prepared first
    """
    final_settings = close_settings(settings, choice, psf_sha256)
    return [name for name in TRIAL_SETTINGS if final_settings.get(name) == "auto" and settings[name] != PER_VOLUME]


def close_settings(settings: Mapping[str, Any], choice: Choice | None, psf_sha256: str | None) -> dict[str, Any]:
    """Return a channel's settings as its volumes have them, with what was chosen by trial as far as it is known."""
    final_settings = dict(settings)
    for name in TRIAL_SETTINGS:
        if final_settings.get(name) == PER_VOLUME:
            final_settings[name] = "auto"
        elif final_settings.get(name) == "auto":
            trial = (choice or {}).get(name)
            if isinstance(trial, dict) and trial.get("basis") == _list_basis(final_settings, name, psf_sha256):
                final_settings[name] = trial["value"]
                if name == "scale" and "bits" in trial:  # bits of whole numbers are chosen with their scale
                    final_settings.setdefault("precision", trial["bits"])
    return final_settings


def find_noise(settings: Mapping[str, Any], choice: Choice | None, psf_sha256: str | None) -> float | None:
    """Return the relative L2 of the noise in a channel's results, the least of those that trials of storage measured.

    Parameters
    ----------
    settings : mapping, from `close_settings`
    choice, psf_sha256 : Choice, str, as for `list_open_settings`
    """
    for name in ("scale", "precision"):
        trial = (choice or {}).get(name)
        if not isinstance(trial, dict) or trial.get("value") != settings.get(name):
            continue
        if trial.get("basis") == _list_basis(settings, name, psf_sha256):
            noises = [value["noise"] for value in trial["timepoints"].values() if isinstance(value, dict)]
            return min(noises, default=None)
    return None


def _list_basis(settings: Mapping[str, Any], name: str, psf_sha256: str | None) -> dict[str, Any]:
    """List what the choice of a setting rests on."""
    irrelevant_keys = ("engine", "dtype", *TRIAL_SETTINGS) if name == "iterations" else ("engine", "scale", "precision")
    inputs = {key: value for key, value in settings.items() if key not in irrelevant_keys}
    return {**inputs, "psf": psf_sha256, "algorithm": ALGORITHM_VERSION}


def choose_by_trial(
    results: Results, settings: Mapping[str, Mapping[str, Any]], psfs: Mapping[str, str], call: Call
) -> dict[str, Choice]:
    """Try what is open, write it down, and return the entries of all channels.

    Parameters
    ----------
    results : Results
    settings, psfs : mapping, per channel what `resolve_settings` returned, and the digest of the PSF used
    call : callable, see `Call`

    Raises
    ------
    InputError
        If nothing can be chosen: it asks for a number.
    """
    for name in TRIAL_SETTINGS:
        choices = read_choices(results)
        channels = [c for c in settings if name in list_open_settings(settings[c], choices.get(c), psfs[c])]
        if not channels:
            continue
        final_settings = {c: close_settings(settings[c], choices[c], psfs[c]) for c in channels}
        values = _try_setting(results, name, {c: choices[c] for c in channels}, final_settings, call)
        choices = read_choices(results)
        for channel in channels:
            value = _CHOOSE[name](values[channel].values())
            basis = _list_basis(final_settings[channel], name, psfs[channel])
            choices[channel][name] = {**value, "timepoints": values[channel], "basis": basis}
            timepoints = ", ".join(values[channel])
            logger.log(NOTICE, "%s: %s: auto comes to %s, by timepoints %s", channel, name, value["value"], timepoints)
        write_choices(results, choices)
    return read_choices(results)


def _try_setting(
    results: Results,
    name: str,
    choices: Mapping[str, Choice],
    settings: Mapping[str, Mapping[str, Any]],
    call: Call,
) -> dict[str, dict[str, Any]]:
    """Return per channel what each timepoint says, but for dark ones; InputError where none could be tried."""
    folder = results.trials / secrets.token_hex(4)
    tasks = _plan_trials(results, name, choices, settings, folder)
    try:
        errors = call(name, tasks)
        paths = {label: task["path"] for label, task in tasks.items() if label not in errors}
        if missing := wait_until_visible(lambda: [p for p in paths.values() if not p.exists()], folder):
            raise InputError(f"{missing[0]} is missing: run the same command again")
        values = {label: read_json(path) for label, path in paths.items()}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {channel: _gather_values(name, channel, choice, values, errors) for channel, choice in choices.items()}


def _plan_trials(
    results: Results,
    name: str,
    choices: Mapping[str, Choice],
    settings: Mapping[str, Mapping[str, Any]],
    folder: Path,
) -> dict[str, dict[str, Any]]:
    """Return the arguments of each trial, which writes its value into a file of the folder."""
    tasks: dict[str, dict[str, Any]] = {}
    for channel, choice in choices.items():
        if not choice["tiles"]:
            raise InputError(f"{name}: auto finds no file of {channel} that can be read: run the same command again")
        for timepoint in _list_timepoints(choice):
            tasks[_label(channel, timepoint)] = {
                "tiles": choice["tiles"][str(timepoint)],
                "shape": choice["basis"]["shape"],
                "dtype": choice["basis"]["dtype"],
                "region": choice["basis"].get("region"),
                "psf": results.psf(channel, ".tif"),
                "settings": settings[channel],
                "path": folder / f"{len(tasks)}.json",
            }
    return tasks


def _list_timepoints(choice: Choice) -> list[int]:
    timepoints = sorted(map(int, choice["tiles"]))
    return [timepoints[index] for index in spread(len(timepoints), MOST_TIMEPOINTS)]


def _gather_values(
    name: str, channel: str, choice: Choice, values: Mapping[str, Any], errors: Mapping[str, str]
) -> dict[str, Any]:
    """Return the values of a channel's timepoints; warn of those that could not be tried, and refuse if none could."""
    labels = {str(timepoint): _label(channel, timepoint) for timepoint in _list_timepoints(choice)}
    failures = [errors[label] for label in labels.values() if label in errors]
    channel_values = {t: values[label] for t, label in labels.items() if values.get(label) is not None}
    if failures and not channel_values:
        raise InputError(f"{channel}: {failures[0]}")
    for timepoint, label in labels.items():
        if label in errors:
            logger.warning("%s: auto leaves out %s timepoint %s: %s", name, channel, timepoint, errors[label])
    return channel_values


def _label(channel: str, timepoint: int) -> str:
    return f"{channel} timepoint {timepoint}"


def _choose_iterations(values: Iterable[int]) -> dict[str, Any]:
    """Return the median, the lower one of two; 1 where all is dark."""
    ordered = sorted(values)
    return {"value": ordered[(len(ordered) - 1) // 2] if ordered else 1}


def _choose_scale(values: Iterable[Mapping[str, Any] | float]) -> dict[str, Any]:
    """Return the scale for what `describe_fineness` returned, or brightest voxels alone, and the bits to keep."""
    trials = [value if isinstance(value, Mapping) else {"brightest": value, "step": 0.0} for value in values]
    brightest = max((value["brightest"] for value in trials), default=0.0)
    if brightest <= 0:
        return {"value": 1}
    scale = choose_scale(brightest)
    bits = choose_whole_bits(brightest, min(value["step"] for value in trials), scale)
    return {"value": scale, **({"bits": bits} if bits < ALL_BITS["uint16"] else {})}


def _choose_precision(values: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the bits that are enough for each of what `describe_fineness` returned; all where all is dark."""
    return {"value": max((value["bits"] for value in values), default=ALL_BITS["float32"])}


_CHOOSE: dict[str, Callable[[Iterable[Any]], dict[str, Any]]] = {
    "iterations": _choose_iterations,
    "scale": _choose_scale,
    "precision": _choose_precision,
}
