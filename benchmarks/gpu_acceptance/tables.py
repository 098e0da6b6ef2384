"""Tables of what the parts measured; a table is empty where its part has nothing."""

from typing import Any

from gpu_acceptance.sizes import FULL
from gpu_acceptance.subject import METHODS, make_psf
from gpu_acceptance.traffic import count_step_bytes
from lightsheet.deconvolution.gpu_model import FFT, PASSES

Sheets = dict[str, dict[str, Any]]

COPY = "GB/s, copy on the device, read and written"


def describe_checks(sheets: Sheets) -> list[str]:
    """Say of each part how it ended, and list what was checked."""
    lines = ["| part | seconds | ended |", "|---|---|---|"]
    lines += [f"| {name} | {sheet.get('seconds', 0)} | {sheet.get('ended', 'not')} |" for name, sheet in sheets.items()]
    lines += ["", "| holds | check | |", "|---|---|---|"]
    for sheet in sheets.values():
        lines += [
            f"| {'yes' if check['passed'] else '**no**'} | {check['name']} | {_shorten(check['detail'])} |"
            for check in sheet["checks"]
        ]
    reasons = [
        f"- {name} ({part}): {_shorten(value['failed'])}"
        for part, sheet in sheets.items()
        for name, value in sheet["values"].items()
        if isinstance(value, dict) and "where" in value
    ]
    return [*lines, *(["", "Not measured:", "", *reasons] if reasons else [])]


def list_iterations(sheets: Sheets) -> list[str]:
    """Compare an iteration with the floor that the measured bandwidth sets."""
    rows, bandwidth = _find_rows(sheets, "iterations", "ms"), _find_bandwidth(sheets)
    if not rows:
        return []
    floors = [f"times the floor, {passes} {'pass' if passes == 1 else 'passes'}" for passes in PASSES]
    lines = [f"| | ms | {' | '.join(floors)} | GB of the device | promised |", "|---|---|---|---|---|---|"]
    for name, row in rows.items():
        moved = row["GB an iteration, by passes of an FFT (model)"]
        ratios = [f"{row['ms'] * bandwidth / moved[str(passes)] / 1000:.2f}" if bandwidth else "?" for passes in PASSES]
        memory = f"{row['GB of the device']:.1f} | {row['GB promised']:.1f}"
        lines.append(f"| {name} | {row['ms']:.2f} | {' | '.join(ratios)} | {memory} |")
    return [*lines, "", "The floor is what the model's bytes take at the bandwidth of a copy on this device."]


def list_kernels(sheets: Sheets) -> list[str]:
    """List what an iteration's time is made of, and each step beside its floor."""
    lines, psf, bandwidth = [], make_psf(FULL.psf), _find_bandwidth(sheets)
    values = sheets.get("kernels", {}).get("values", {})
    for acceleration, boundary in METHODS:
        rows = values.get(f"{acceleration}, {boundary}")
        if not isinstance(rows, list):
            continue
        few, many = (count_step_bytes(FULL.volume, psf, acceleration, boundary, passes) for passes in PASSES)
        total = sum(row["ms"] for row in rows)
        lines += ["", f"{acceleration}, {boundary}: {total:.2f} ms, of which", ""]
        lines += ["| | calls | ms | GB (model) | times the floor |", "|---|---|---|---|---|"]
        for name, (calls, milliseconds) in _sum_steps(rows, list(few)).items():
            amounts = [f"{moved[name] / 1e9:.1f}" for moved in (few, many)] if name in few else []
            floors = [f"{milliseconds * bandwidth * 1e6 / moved[name]:.2f}" for moved in (few, many) if name in few]
            cells = " | ".join(" to ".join(dict.fromkeys(cell)) for cell in (amounts, floors if bandwidth else []))
            lines.append(f"| {name} | {calls:.0f} | {milliseconds:.3f} | {cells} |")
    return lines[1:]


def _sum_steps(rows: list[dict[str, Any]], steps: list[str]) -> dict[str, tuple[float, float]]:
    """Return calls and milliseconds of each step of the model, and of kernels that are in none."""
    sums: dict[str, tuple[float, float]] = {}
    for row in rows:
        kernel = row["kernel"].split("(")[0]
        matches = [step for step in steps if kernel in step.split(", ") or (step == FFT and "fft" in kernel.lower())]
        name = matches[0] if matches else f"`{kernel[:80]}`"
        calls, milliseconds = sums.get(name, (0.0, 0.0))
        sums[name] = calls + row["calls"], milliseconds + row["ms"]
    return sums


def list_time_line(sheets: Sheets) -> list[str]:
    """List how busy the GPU was."""
    rows = _find_rows(sheets, "time_line", "s a volume")
    if not rows:
        return []
    lines = [
        "| | s a volume | it holds the GPU | GPU computes | core-s a volume | GB of the host | promised |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        busy = f"{row['GPU computes']:.0%}" if "GPU computes" in row else ""
        memory = f"{row['GB of the host']:.1f} | {row['GB promised']:.1f}"
        seconds = f"{row['s a volume']:.3f} | {row['s a volume holds the GPU']:.3f}"
        lines.append(f"| {name} | {seconds} | {busy} | {row['core-s a volume']:.2f} | {memory} |")
    return lines


def list_peers(sheets: Sheets) -> list[str]:
    """List other implementations, by what an iteration of theirs takes."""
    values = sheets.get("peers", {}).get("values", {})
    ours = values.get("gpu")
    if not isinstance(ours, float):
        return []
    lines = ["| | ms an iteration | times `gpu` |", "|---|---|---|"]
    for name, value in values.items():
        if isinstance(value, float):
            lines.append(f"| {name} | {value:.1f} | {value / ours:.2f} |")
        elif "ms" in value:
            lines.append(f"| {name}, {tuple(value['volume'])} | {value['ms']:.0f} | |")
    return lines


def _find_rows(sheets: Sheets, part: str, column: str) -> dict[str, dict[str, Any]]:
    values = sheets.get(part, {}).get("values", {})
    return {name: row for name, row in values.items() if isinstance(row, dict) and column in row}


def _find_bandwidth(sheets: Sheets) -> float:
    value = sheets.get("machine", {}).get("values", {}).get(COPY)
    return value if isinstance(value, float) else 0.0


def _shorten(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")[:200]
