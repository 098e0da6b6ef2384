"""Runs the parts one after the other, each in a process that may die or hang without harm to the others."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

from gpu_acceptance.sheet import read_sheets, write_json

ROOT = Path(__file__).parents[2]

PARTS = {
    "machine": 25,
    "probes": 60,
    "tests": 90,
    "agreement": 90,
    "iterations": 60,
    "kernels": 40,
    "time_line": 140,
    "peers": 45,
}
"""Seconds after which a part is stopped; the most important first."""

OUTPUT = 4000
"""Characters of what a part prints that are kept."""


def run_parts(out: Path, parts: list[str], stand_in: bool, total_seconds: float) -> None:
    """Run parts; what each found, and the end of what it printed, lies in OUT/PART.json."""
    out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + total_seconds
    for part in parts:
        limit = min(PARTS[part], end - time.monotonic())
        for path in out.glob(f"{part}.*"):
            path.unlink()
        with tempfile.TemporaryFile("w+") as log:
            ended = _run_part(out, part, stand_in, limit, log) if limit > 0 else "not begun: no time was left"
            log.seek(0)
            output = log.read()[-OUTPUT:].splitlines()
        sheet = read_sheets(out).get(part, {"part": part, "stand_in": stand_in, "values": {}, "checks": []})
        write_json(out / f"{part}.json", sheet | {"output": output} | ({"ended": ended} if ended else {}))
        for path in set(out.glob(f"{part}.*")) - {out / f"{part}.json"}:
            path.unlink()  # of a part that was stopped
        failures = [check["name"] for check in sheet["checks"] if not check["passed"]]
        passed = len(sheet["checks"]) - len(failures)
        print(
            f"{part}: {ended or 'whole'}, {sheet.get('seconds', 0)} s; {passed} checks hold, {len(failures)} do not",
            flush=True,
        )
        for name in failures:
            print(f"  does not hold: {name}", flush=True)
        for name, value in sheet["values"].items():
            if isinstance(value, dict) and "where" in value:
                print(f"  not measured: {name}: {value['failed']}", flush=True)


def _run_part(out: Path, part: str, stand_in: bool, seconds: float, log: IO[str]) -> str:
    """Run one part; say how it ended if not by itself."""
    paths = [str(ROOT / "benchmarks"), str(ROOT / "scripts"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "gpu_acceptance.part", part, str(out), *["--stand-in"] * stand_in]
    process = subprocess.Popen(
        command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return f"stopped after {seconds:.0f} s"
    return f"died with exit status {status}" if status else ""
