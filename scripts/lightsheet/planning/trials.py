"""All that a pilot tries, whoever does it: each channel ingested, each method asked, each number of iterations done."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lightsheet.planning.measure import measure_deconvolution, measure_ingest, suggest_iterations
from lightsheet.planning.scratch import PilotResults
from lightsheet.planning.sweep import PilotPlan, name_method
from lightsheet.store import Results, StoreLayout, VolumeKey
from lightsheet.system import read_json, wait_until_visible

INGEST_THREADS = 2
"""As rule `ingest` has."""

Key = tuple[Any, ...]
"""Channel; and number of the method in the plan; and iterations."""

KEY_OF_A_RUN = 3

Each = Callable[[Callable[..., None], Mapping[str, Mapping[str, Any]], str], None]
"""Calls a function once for each of the keyword arguments by name, and says in the log what that is."""


@dataclass(frozen=True)
class Trials:
    """All that is measured of the channels.

    Parameters
    ----------
    results : Results
        Of the run.
    place : Scratch
        Where the pilot works.
    plan : mapping
        What `lightsheet.planning.sweep.plan_pilot` returned, engines resolved.
    layouts : mapping
        Of the run's `raw` and `result` volumes.
    each : callable
        Does a function's tasks, see `Each`.
    threads : int
        Cores to use inside a volume.
    memory : int or None
        Bytes that a worker may use, see `lightsheet.processing.deconvolve.deconvolve_volume`.
    """

    results: Results
    place: PilotResults
    plan: PilotPlan
    layouts: Mapping[str, StoreLayout]
    each: Each
    threads: int
    memory: int | None

    def measure(self) -> dict[str, Any]:
        """Return what `run` says of the channels."""
        numbers = range(len(self.plan["methods"]))
        every = [(channel, number) for channel in self.plan["channels"] for number in numbers]
        ingested = self._do(measure_ingest, {(channel,): self._ingest(channel) for channel in self.plan["channels"]})
        suggested = self._do(suggest_iterations, {key: self._method(*key) for key in every})
        for found in suggested.values():
            found["reason"] += self._remark(found["suggested"])
        sweeps = {key: self._sweep(found["suggested"]) for key, found in suggested.items()}
        trials = {
            (*key, count): self._deconvolve(*key, count, ingested[key[:1]]["spot"])
            for key in every
            for count in sweeps[key]
        }
        done = self._do(measure_deconvolution, trials)
        return {
            channel: {
                "timepoint": self.plan["channels"][channel][0],
                "ingest": ingested[channel,],
                "methods": [
                    {
                        "settings": self._method(channel, number)["settings"],
                        **suggested[channel, number],
                        "runs": [done[channel, number, count] for count in sweeps[channel, number]],
                    }
                    for number in numbers
                ],
            }
            for channel in self.plan["channels"]
        }

    def _ingest(self, channel: str) -> dict[str, Any]:
        timepoint, tiles = self.plan["channels"][channel]
        key = VolumeKey("raw", channel, timepoint)
        return {"key": key, "tiles": tiles, "plan": self.plan, "layout": self.layouts["raw"], "threads": INGEST_THREADS}

    def _method(self, channel: str, number: int) -> dict[str, Any]:
        settings = self.plan["methods"][number]
        own = {**settings, "background": settings["background"][channel]}
        key = VolumeKey("raw", channel, self.plan["channels"][channel][0])
        return {"key": key, "psf": self.results.psf(channel, ".tif"), "settings": own, "threads": self.threads}

    def _deconvolve(self, channel: str, number: int, iterations: int, spot: list[int]) -> dict[str, Any]:
        task = self._method(channel, number)
        return {
            **task,
            "key": task["key"]._replace(kind="result"),
            "settings": {**task["settings"], "iterations": iterations},
            "layout": self.layouts["result"],
            "spot": spot,
            "voxel_size": self.plan["voxel_size"],
            "memory": self.memory,
        }

    def _sweep(self, suggested: int | None) -> list[int]:
        """Return the iterations to try, the suggested ones among them unless they would take longer than the rest."""
        tried = self.plan["iterations"]
        return sorted({*tried, suggested}) if suggested and suggested <= max(tried) else tried

    def _remark(self, suggested: int | None) -> str:
        """Say where a suggestion leads beyond what is tried."""
        last = max(self.plan["iterations"])
        if not suggested or suggested <= last:
            return ""
        return f"; {last} are the most that were tried: name more in pilot.iterations, or try an acceleration"

    def _do(self, function: Callable[..., None], tasks: Mapping[Key, Mapping[str, Any]]) -> dict[Key, dict[str, Any]]:
        """Call a function of `measure` for each channel, method or run of it; return its numbers."""
        at = {key: self._at(key) for key in tasks}
        named = {self._name(key): {"place": at[key], **task} for key, task in tasks.items()}
        self.each(function, named, f"pilot, {function.__name__}")
        wait_until_visible(lambda: [p for p in at.values() if not p.numbers.exists()], self.place.folder / "found")
        return {key: read_json(place.numbers) for key, place in at.items()}

    def _at(self, key: Key) -> PilotResults:
        return dataclasses.replace(self.place, trial=".".join(map(str, key)))

    def _name(self, key: Key) -> str:
        """Say in words what is done."""
        channel, *method = key
        said = [f"{channel} timepoint {self.plan['channels'][channel][0]}"]
        if method:
            said.append(f"method {method[0] + 1} ({name_method(self._method(*key[:2])['settings'])})")
        if len(key) == KEY_OF_A_RUN:
            said.append(f"{key[2]} iterations")
        return ", ".join(said)

    def pictures(self, found: Mapping[str, Any]) -> dict[Key, dict[str, np.ndarray]]:
        """Return the planes `xy` and `xz` of each channel's raw volume, and of each run that `measure` returned."""
        runs = [
            (channel, number, run["iterations"])
            for channel, of_channel in found.items()
            for number, method in enumerate(of_channel["methods"])
            for run in method["runs"]
        ]
        keys: list[Key] = [*((channel,) for channel in found), *runs]
        return {key: dict(np.load(self._at(key).planes)) for key in keys}
