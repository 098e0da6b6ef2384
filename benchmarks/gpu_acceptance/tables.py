"""Tables of what the parts measured; a table is empty where its part has nothing."""

from typing import Any

from gpu_acceptance.traffic import PASSES

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
    """List what an iteration's time is made of."""
    lines = []
    for name, rows in sheets.get("kernels", {}).get("values", {}).items():
        if isinstance(rows, list) and rows:
            lines += [
                "",
                f"{name}: {sum(row['ms'] for row in rows):.2f} ms",
                "",
                "| kernel | calls | ms |",
                "|---|---|---|",
            ]
            lines += [f"| `{row['kernel'][:80]}` | {row['calls']:.0f} | {row['ms']:.3f} |" for row in rows]
    return lines[1:]


def list_time_line(sheets: Sheets) -> list[str]:
    """List how busy the GPU was."""
    rows = _find_rows(sheets, "time_line", "s a volume")
    if not rows:
        return []
    lines = [
        "| | s a volume | GPU computes | core-s a volume | GB of the host | promised |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        busy = f"{row['GPU computes']:.0%}" if "GPU computes" in row else ""
        memory = f"{row['GB of the host']:.1f} | {row['GB promised']:.1f}"
        lines.append(f"| {name} | {row['s a volume']:.3f} | {busy} | {row['core-s a volume']:.2f} | {memory} |")
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
