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
        ingests = self._run(
            "ingest", measure_ingest, {(channel,): self._ingest(channel) for channel in self.plan["channels"]}
        )
        tries = {(*key, method): self._try_method(key[0], method) for key in ingests for method in methods}
        suggestions = self._run("suggest iterations", suggest_iterations, tries)
        for suggestion in suggestions.values():
            suggestion["reason"] += remark_on_sweep(self.plan["iterations"], suggestion["suggested"])
        sweeps = {key: choose_sweep(self.plan["iterations"], suggestions[key]["suggested"]) for key in tries}
        deconvolutions = {
            (*key, iterations): self._deconvolve(arguments, iterations, ingests[key[:1]]["spot"])
            for key, arguments in tries.items()
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
        return channels, {key: dict(np.load(self._make_trial(key).planes)) for key in [*ingests, *runs]}

    def _ingest(self, channel: str) -> dict[str, Any]:
        _, tiles = self.plan["channels"][channel]
        return {"tiles": tiles, "plan": self.plan, "layout": self.layouts["raw"], "threads": INGEST_CORES}

    def _try_method(self, channel: str, method: int) -> dict[str, Any]:
        settings = self.plan["methods"][method]
        settings = {**settings, "background": settings["background"][channel]}
        return {"psf": self.results.psf(channel, ".tif"), "settings": settings, "threads": self.threads}

    def _deconvolve(self, arguments: Mapping[str, Any], iterations: int, spot: Sequence[int]) -> dict[str, Any]:
        return {
            **arguments,
            "settings": {**arguments["settings"], "iterations": iterations},
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
        named = {self._name(key): {"trial": trials[key], **task} for key, task in tasks.items()}
        self.call(function, named, f"pilot, {action}")
        numbers = [trial.numbers for trial in trials.values()]
        wait_until_visible(lambda: [path for path in numbers if not path.exists()], self.scratch.folder / "measured")
        return {key: read_json(trial.numbers) for key, trial in trials.items()}

    def _make_trial(self, key: Key) -> Trial:
        timepoint, _ = self.plan["channels"][key[0]]
        return Trial(self.scratch, VolumeKey("raw", key[0], timepoint), ".".join(map(str, key)))

    def _name(self, key: Key) -> str:
        """Say in words what is tried."""
        channel, *method = key
        words = [self._make_trial(key).volume.label]
        if method:
            settings = self._try_method(channel, method[0])["settings"]
            words.append(f"method {method[0] + 1} ({name_method(settings)})")
        words += [f"{iterations} iterations" for iterations in method[1:]]
        return ", ".join(words)


def choose_sweep(iterations: list[int], suggestion: int | None) -> list[int]:
    """Return the iterations to do, the suggested ones too unless they would take longer than the rest."""
    return sorted({*iterations, suggestion}) if suggestion and suggestion <= max(iterations) else iterations


def remark_on_sweep(iterations: list[int], suggestion: int | None) -> str:
    """Say what to do if more iterations are suggested than are tried."""
    if not suggestion or suggestion <= max(iterations):
        return ""
    return f"; {max(iterations)} are the most that were tried: name more in pilot.iterations, or try an acceleration"
