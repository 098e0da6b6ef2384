"""Chromium without a window: loads a page from the disk, runs a check in it, and tells what its console said."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.support.minislurm_machine import install

QUIET = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--no-first-run", "--disable-gpu")
OFFLINE = ("--host-resolver-rules=MAP * ~NOTFOUND", "--allow-file-access-from-files")
SECONDS = 120

WRAPPER = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><pre id="answer"></pre>
{frames}
<script>
addEventListener("load", () => {{
  const check = {check};
  const frames = [...document.querySelectorAll("iframe")];
  const answers = frames.map(frame => check(frame.contentWindow, frame.contentDocument));
  document.getElementById("answer").textContent = encodeURIComponent(JSON.stringify(answers));
}});
</script>
"""


def chromium() -> str:
    """Return the browser's command; skip where there is none and it cannot be installed."""
    if not shutil.which("chromium") and os.geteuid() != 0:
        pytest.skip("Chromium is missing, and only root can install it")
    install({"chromium": "chromium"})
    return "chromium"


def ask(page: Path, widths: tuple[int, ...], check: str, *flags: str) -> tuple[list[Any], list[str]]:
    """Open a page in windows of these widths, and run a function of JavaScript in each, (window, document) => answer.

    Returns
    -------
    list
        The answers.
    list of str
        What was written to the console, by the page or by the browser about it.
    """
    frame = '<iframe src="{}" style="width: {}px; height: 900px; border: 0"></iframe>'
    wrapper = page.with_name("wrapper.html")
    frames = "\n".join(frame.format(page.name, width) for width in widths)
    wrapper.write_text(WRAPPER.format(frames=frames, check=check), encoding="utf-8")
    command = [chromium(), *QUIET, *OFFLINE, f"--user-data-dir={page.parent / 'profile'}", *flags]
    command += ["--enable-logging=stderr", "--virtual-time-budget=10000", "--dump-dom", wrapper.as_uri()]
    process = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    (answer,) = re.findall(r'<pre id="answer">(.*?)</pre>', process.stdout, re.DOTALL)
    return json.loads(unquote(answer)), [line for line in process.stderr.splitlines() if "CONSOLE" in line]
