"""The report of a run: benchmarks/results/gpu.md and the README's rows, of measurements on a GPU and of the model."""

from pathlib import Path
from typing import Any

from gpu_acceptance.sizes import FULL
from gpu_acceptance.subject import METHODS, make_psf
from gpu_acceptance.tables import Sheets, describe_checks, list_iterations, list_kernels, list_peers, list_time_line
from gpu_acceptance.traffic import compute_floor, count_bytes, find_cyclic_shape
from lightsheet.deconvolution.gpu_model import DATASHEETS, PASSES, SHARE


def describe(sheets: Sheets) -> list[str]:
    """Return the lines of the report."""
    measured = {name: sheet for name, sheet in sheets.items() if not sheet["stand_in"]}
    lines = ["Engine gpu, by `python benchmarks/accept_gpu.py OUT`."]
    lines += ["", *(_describe_measurements(measured) if measured else ["Nothing here was measured on a GPU yet."])]
    return [*lines, "", *_describe_model()]


def _describe_measurements(sheets: Sheets) -> list[str]:
    lines = ["## Measured", "", *_describe_machine(sheets), "", *describe_checks(sheets)]
    sections = {
        f"Iterations of {FULL.volume}, PSF {FULL.psf}, the volume on the device": list_iterations,
        "Kernels of an iteration": list_kernels,
        f"{FULL.volumes} volumes of {FULL.iterations} iterations from store to store": list_time_line,
        "Others": list_peers,
    }
    for title, list_rows in sections.items():
        lines += ["", f"### {title}", "", *(list_rows(sheets) or ["Not measured."])]
    return lines


def _describe_machine(sheets: Sheets) -> list[str]:
    values = sheets.get("machine", {}).get("values", {})
    names = ("nvidia-smi", "versions", "host")
    lines = [f"- {name}: {_join(values[name])}" for name in names if values.get(name)]
    return [*lines, *(f"- {name}: {_join(value)}" for name, value in values.items() if name.startswith("GB/s"))]


def _join(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_join(item)}" for name, item in value.items() if name != "where")
    if isinstance(value, float):
        return f"{value:.4g}"
    return "; ".join(str(value).strip().splitlines())


def _describe_model() -> list[str]:
    """Say what an iteration has to move, and what that takes on GPUs of which only the data sheet is known."""
    psf = make_psf(FULL.psf)
    shape = find_cyclic_shape(FULL.volume, psf, "extended")
    names = [f"ms, {name}" for name in DATASHEETS]
    lines = [
        "## Model, not measured",
        "",
        f"A volume of {FULL.volume} with the benchmark's PSF is transformed as {shape}. Of arrays of that",
        "size, four bytes a voxel, an iteration reads and writes: by FFTs 8 times their passes, by products of spectra",
        "6, by `divide` 1, by `correct` 4; with heavy-ball by `correct_and_extrapolate` 6 instead, with biggs by",
        "`correct_and_compare` and `extrapolate` 10. `divide` reads the image too. cuFFT passes over the array once a",
        "transform at best, and three times at large sizes.",
        f"The milliseconds are these bytes by {SHARE:.0%} of the data sheet's bandwidth.",
        "",
        "| | passes | GB | " + " | ".join(names) + " |",
        "|---" * (3 + len(names)) + "|",
    ]
    for acceleration, boundary in METHODS:
        for number, passes in enumerate(PASSES):
            bytes_moved = count_bytes(FULL.volume, psf, acceleration, boundary, passes)
            floors = [
                compute_floor(FULL.volume, psf, acceleration, boundary, SHARE * gbs)[number]
                for gbs in DATASHEETS.values()
            ]
            cells = " | ".join(f"{floor:.1f}" for floor in floors)
            lines.append(f"| {acceleration}, {boundary} | {passes} | {bytes_moved / 1e9:.0f} | {cells} |")
    return lines


def describe_for_readme(sheets: Sheets) -> list[str]:
    """Return rows for the README: of measurements, or that there are none."""
    if not any(not sheet["stand_in"] for sheet in sheets.values()):
        return ["Engine `gpu` has not been measured yet; `python benchmarks/accept_gpu.py OUT` does it."]
    measured = {name: sheet for name, sheet in sheets.items() if not sheet["stand_in"]}
    return [*list_peers(measured), "", *list_time_line(measured)]


def write_report(sheets: Sheets, path: Path) -> None:
    """Write the report; print the README's rows."""
    path.write_text("\n".join(describe(sheets)) + "\n")
    print(f"written: {path}\n\nFor the README:\n")
    print("\n".join(describe_for_readme(sheets)))
