"""Both directions of a stage scan, tried by the pilot: planes that are moved to the wrong side fit no image."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightsheet.run import Run
from lightsheet.store import Results

ENOUGH = 10
"""Iterations after which residuals tell the directions apart; more would only take time."""

CLEAR = 0.03
"""Share of the residual by which two directions must differ to be told apart."""


def add_direction(methods: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return settings of methods, and of a stage scan also those of the first with the other direction."""
    scan = methods[0].get("scan")
    if not scan:
        return list(methods)
    return [*methods, {**methods[0], "scan": {**scan, "direction": -scan["direction"]}}]


def is_reversed(method: Mapping[str, Any], first: Mapping[str, Any]) -> bool:
    """Tell whether a method has the other direction than the first, which the configuration says."""
    return bool(method.get("scan") != first.get("scan"))


def list_psf_images(run: Run) -> dict[str, Any]:
    """Return per channel the file of the bead and the settings of its PSF, from which another can be prepared."""
    return {channel: [run.find_psf_file(channel), settings] for channel, settings in run.psf_settings.items()}


def prepare_psfs(images: Mapping[str, Any], scan: Mapping[str, Any], place: Results) -> None:
    """Prepare the PSFs of another stage scan than the configuration says.

    Parameters
    ----------
    images : mapping, from `list_psf_images`
    scan : mapping, that stage scan
    place : Results, where they go
    """
    from lightsheet.psf import prepare_psf_file, save_psf  # SciPy, which nobody needs who parses the Snakefile

    for channel, (image, settings) in images.items():
        psf, _ = prepare_psf_file(Path(image), **{**settings, "scan": scan})
        path = place.psf(channel, ".tif")
        path.parent.mkdir(parents=True, exist_ok=True)
        save_psf(psf, settings["voxel_size"], path)


def compare_directions(methods: Sequence[Mapping[str, Any]]) -> str:
    """Say which direction fits a channel's image; empty where only one was tried.

    Parameters
    ----------
    methods : sequence of mapping, of a channel of `pilot.json`
    """
    first = methods[0]
    reversal = next((m for m in methods if is_reversed(m["settings"], first["settings"])), None)
    if not reversal:
        return ""
    pair = first, reversal
    residuals = [{run["iterations"]: run["residual"] for run in m["runs"] if run["residual"]} for m in pair]
    if not (trials := residuals[0].keys() & residuals[1].keys()):
        return ""
    iterations = max(trials)
    rest, opposite = (residual[iterations] for residual in residuals)
    direction = first["settings"]["scan"]["direction"]
    numbers = (
        f"after {iterations} iteration{'s' * (iterations > 1)} direction {direction} leaves {100 * rest:.2f} % of the "
        f"image unexplained, direction {-direction} {100 * opposite:.2f} %"
    )
    if abs(rest - opposite) < CLEAR * max(rest, opposite):
        return f"{numbers}: they hardly differ, look at the pictures"
    if rest < opposite:
        return f"{numbers}: direction {direction} fits, as the configuration says"
    return f"{numbers}: direction {-direction} fits better than that of the configuration; set input.scan.direction"
