"""All that a pilot tries: each channel is ingested, each method suggests iterations, and a sweep of them is done."""

import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lightsheet.planning.directions import ENOUGH, is_reversed
from lightsheet.planning.measure import keep_measurement, measure_deconvolution, measure_ingest, suggest_iterations
from lightsheet.planning.pilot_plan import name_method
from lightsheet.planning.suggestion import Suggestion
from lightsheet.run import INGEST_CORES
from lightsheet.store import Results, StoreLayout, VolumeKey
from lightsheet.system import wait_until_visible

Key = tuple[Any, ...]
"""Channel; of a method also its number in the plan; of a deconvolution also its iterations."""


@dataclass(frozen=True)
class Trials:
    """What all trials need: the run's `results`, the pilot's `scratch`, and what `memory` in bytes a worker may use.

    `call` calls a function on the workers, once for each of the keyword arguments by name; the last is for the log.
    """

    results: Results
    scratch: Results
    plan: Mapping[str, Any]
    layouts: Mapping[str, StoreLayout]
    call: Callable[[Callable[..., None], Mapping[str, Mapping[str, Any]], str], None]
    threads: int
    memory: int | None

    def measure(self) -> tuple[dict[str, Any], dict[Key, dict[str, np.ndarray]]]:
        """Return what `pilot.json` says of the channels, and planes `xy` and `xz` of raw volumes and results."""
        channels, pictures = dict[str, Any](), dict[Key, dict[str, np.ndarray]]()
        for (channel,), (numbers, planes) in self._ingest().items():
            timepoint, _ = self.plan["channels"][channel]
            channels[channel] = {"timepoint": timepoint, "ingest": numbers, "methods": []}
            pictures[channel,] = planes
        methods = self._list_methods()
        suggestions = self._suggest(methods)
        for key, method in methods.items():
            method_facts = {"settings": method["settings"], **describe_suggestion(suggestions.get(key)), "runs": []}
            channels[key[0]]["methods"].append(method_facts)
        spots = {channel: channel_facts["ingest"]["spot"] for channel, channel_facts in channels.items()}
        for key, (numbers, planes) in self._deconvolve(methods, suggestions, spots).items():
            channels[key[0]]["methods"][key[1]]["runs"].append(numbers)
            pictures[key] = planes
        return channels, pictures

    def _ingest(self) -> dict[Key, Any]:
        """Ingest the volume of each channel."""
        tasks = {
            (channel,): {"tiles": tiles, "plan": self.plan, "layout": self.layouts["raw"], "threads": INGEST_CORES}
            for channel, (_, tiles) in self.plan["channels"].items()
        }
        return self._run("ingest", measure_ingest, tasks)

    def _list_methods(self) -> dict[Key, dict[str, Any]]:
        """Return the arguments that both what suggests iterations and what deconvolves take, of each method."""
        first, *_ = self.plan["methods"]
        return {
            (channel, number): {
                "psf": (self.scratch if is_reversed(method, first) else self.results).psf(channel, ".tif"),
                "settings": _choose_settings(method, channel),
                "threads": self.threads,
            }
            for channel in self.plan["channels"]
            for number, method in enumerate(self.plan["methods"])
        }

    def _suggest(self, methods: Mapping[Key, Mapping[str, Any]]) -> dict[Key, Suggestion]:
        """Suggest iterations of each method, but for the other direction of a stage scan."""
        first, *_ = self.plan["methods"]
        tasks = {
            key: {**method, "trials": self.plan["iterations"]}
            for key, method in methods.items()
            if not is_reversed(method["settings"], first)
        }
        return self._run("suggest iterations", suggest_iterations, tasks)

    def _deconvolve(
        self,
        methods: Mapping[Key, Mapping[str, Any]],
        suggestions: Mapping[Key, Suggestion],
        spots: Mapping[str, Sequence[int]],
    ) -> dict[Key, Any]:
        """Deconvolve with each method for all iterations of its sweep."""
        tasks = {}
        for key, method in methods.items():
            suggestion = suggestions.get(key)
            sweep = choose_sweep(self.plan["iterations"], suggestion)
            proposal = choose_proposal(sweep, suggestion)
            for iterations in sweep:
                tasks[*key, iterations] = {
                    **method,
                    "settings": {**method["settings"], "iterations": iterations},
                    "layout": self.layouts["result"],
                    "shape": self.layouts["raw"].levels[0].shape,
                    "spot": spots[key[0]],
                    "voxel_size": self.plan["voxel_size"],
                    "memory": self.memory,
                    "proposes": iterations == proposal,
                }
        return self._run("deconvolve", measure_deconvolution, tasks)

    def _run(self, action: str, function: Callable[..., Any], tasks: Mapping[Key, Mapping[str, Any]]) -> dict[Key, Any]:
        """Call a function of `measure` with the arguments of each trial; return what it measured."""
        calls, folder = {}, self.scratch.folder / "measured"
        paths = {key: folder / ".".join(map(str, key)) for key in tasks}
        for key, task in tasks.items():
            channel, *method = key
            volume = VolumeKey("raw", channel, self.plan["channels"][channel][0])
            words = [volume.label, *(f"method {n + 1} ({name_method(task['settings'])})" for n in method[:1])]
            name = ", ".join([*words, *(f"{iterations} iterations" for iterations in method[1:])])
            task = {"scratch": self.scratch, "volume": volume, **task}
            calls[name] = {"path": paths[key], "function": function, "task": task}
        self.call(keep_measurement, calls, f"pilot, {action}")
        wait_until_visible(lambda: [path for path in paths.values() if not path.exists()], folder)
        return {key: pickle.loads(path.read_bytes()) for key, path in paths.items()}


def _choose_settings(method: Mapping[str, Any], channel: str) -> dict[str, Any]:
    """Return the settings of a channel's volume, which have no fill where there is none."""
    settings = {**method, "background": method["background"][channel], "fill": method["fill"][channel]}
    return settings if settings["fill"] else {key: value for key, value in settings.items() if key != "fill"}


def choose_proposal(sweep: list[int], suggestion: Suggestion | None) -> int:
    """Return for how many iterations ways to store the result are proposed."""
    return suggestion.iterations if suggestion and suggestion.iterations in sweep else max(sweep)


def choose_sweep(iterations: list[int], suggestion: Suggestion | None) -> list[int]:
    """Return the iterations to do: also those that are suggested, and those of least expected error.

    The latter are left out where both would take longer than all others. Without a suggestion there are enough for a
    comparison.
    """
    if not suggestion:
        return [number for number in iterations if number <= max(ENOUGH, min(iterations))]
    additions = {suggestion.iterations, suggestion.least_error}
    extra = additions if sum(additions) <= sum(iterations) else {suggestion.iterations}
    return sorted({*iterations, *extra})


def describe_suggestion(suggestion: Suggestion | None) -> dict[str, Any]:
    """Return what `pilot.json` says of a suggestion."""
    if not suggestion:
        return {"suggested": None, "reason": "it is tried for comparison with the other direction only"}
    return {
        "suggested": suggestion.iterations,
        "reason": suggestion.reason,
        "least_error": suggestion.least_error,
        "knee": suggestion.knee,
        "falls_on": suggestion.falls_on,
    }
