"""All that a pilot tries: each channel is ingested, each method suggests iterations, and a sweep of them is done."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lightsheet.planning.measure import Trial, measure_deconvolution, measure_ingest, suggest_iterations
from lightsheet.planning.site import INGEST_CORES
from lightsheet.planning.sweep import PilotPlan, name_method
from lightsheet.store import Results, StoreLayout, VolumeKey
from lightsheet.system import read_json, wait_until_visible

Key = tuple[Any, ...]
"""Channel; of a method also its number in the plan; of a deconvolution also its iterations."""

Caller = Callable[[Callable[..., None], Mapping[str, Mapping[str, Any]], str], None]
"""Calls a function once for each of the keyword arguments by name; the last argument is for the log."""


@dataclass(frozen=True)
class Trials:
    """What all trials need: the run's `results`, the pilot's `scratch`, and what `memory` in bytes a worker may use."""

    results: Results
    scratch: Results
    plan: PilotPlan
    layouts: Mapping[str, StoreLayout]
    call: Caller
    threads: int
    memory: int | None

    def measure(self) -> tuple[dict[str, Any], dict[Key, dict[str, np.ndarray]]]:
        """Return what `pilot.json` says of the channels, and planes `xy` and `xz` of raw volumes and results."""
        methods = range(len(self.plan["methods"]))
        ingest_tasks = {
            (channel,): {"tiles": tiles, "plan": self.plan, "layout": self.layouts["raw"], "threads": INGEST_CORES}
            for channel, (_, tiles) in self.plan["channels"].items()
        }
        ingests = self._run("ingest", measure_ingest, ingest_tasks)
        tries = {(*key, method): self._try_method(key[0], method) for key in ingests for method in methods}
        suggestions, sweeps = self._run("suggest iterations", suggest_iterations, tries), {}
        for key, suggestion in suggestions.items():
            sweeps[key], remark = choose_sweep(self.plan["iterations"], suggestion["suggested"])
            suggestion["reason"] += remark
        deconvolutions = {
            (*key, iterations): self._deconvolve(task, iterations, ingests[key[:1]]["spot"])
            for key, task in tries.items()
            for iterations in sweeps[key]
        }
        runs = self._run("deconvolve", measure_deconvolution, deconvolutions)
        channels = {
            channel: {
                "timepoint": timepoint,
                "ingest": ingests[channel,],
                "methods": [
                    {
                        "settings": tries[channel, method]["settings"],
                        **suggestions[channel, method],
                        "runs": [runs[channel, method, iterations] for iterations in sweeps[channel, method]],
                    }
                    for method in methods
                ],
            }
            for channel, (timepoint, _) in self.plan["channels"].items()
        }
        return channels, {key: dict(np.load(self._make_trial(key).name_file(".npz"))) for key in [*ingests, *runs]}

    def _try_method(self, channel: str, method: int) -> dict[str, Any]:
        settings = self.plan["methods"][method]
        settings = {**settings, "background": settings["background"][channel]}
        return {"psf": self.results.psf(channel, ".tif"), "settings": settings, "threads": self.threads}

    def _deconvolve(self, task: Mapping[str, Any], iterations: int, spot: Sequence[int]) -> dict[str, Any]:
        return {
            **task,
            "settings": {**task["settings"], "iterations": iterations},
            "layout": self.layouts["result"],
            "spot": spot,
            "voxel_size": self.plan["voxel_size"],
            "memory": self.memory,
        }

    def _run(
        self, action: str, function: Callable[..., None], tasks: Mapping[Key, Mapping[str, Any]]
    ) -> dict[Key, dict[str, Any]]:
        """Call a function of `measure` with the arguments of each trial; return its numbers."""
        trials = {key: self._make_trial(key) for key in tasks}
        tasks_by_name = {
            _name_trial(trials[key], key, task): {"trial": trials[key], **task} for key, task in tasks.items()
        }
        self.call(function, tasks_by_name, f"pilot, {action}")
        numbers = {key: trial.name_file(".json") for key, trial in trials.items()}
        folder = self.scratch.folder / "measured"
        wait_until_visible(lambda: [path for path in numbers.values() if not path.exists()], folder)
        return {key: read_json(path) for key, path in numbers.items()}

    def _make_trial(self, key: Key) -> Trial:
        timepoint, _ = self.plan["channels"][key[0]]
        return Trial(self.scratch, VolumeKey("raw", key[0], timepoint), ".".join(map(str, key)))


def _name_trial(trial: Trial, key: Key, task: Mapping[str, Any]) -> str:
    """Say in words what is tried."""
    words, (_, *method) = [trial.volume.label], key
    if method:
        words.append(f"method {method[0] + 1} ({name_method(task['settings'])})")
    return ", ".join([*words, *(f"{iterations} iterations" for iterations in method[1:])])


def choose_sweep(iterations: list[int], suggestion: int | None) -> tuple[list[int], str]:
    """Return the iterations to do, the suggested ones too unless they take longer than the rest, and then a remark."""
    most = max(iterations)
    if suggestion and suggestion > most:
        return (
            iterations,
            f"; {most} are the most that were tried: name more in pilot.iterations, or try an acceleration",
        )
    return sorted({*iterations, suggestion}) if suggestion else iterations, ""
