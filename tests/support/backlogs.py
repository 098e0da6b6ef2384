"""What is due in the run of the working directory, and why."""

from pathlib import Path
from typing import Any

from lightsheet.run.backlog import find_backlog
from lightsheet.run.progress import list_outputs, summarise_run
from lightsheet.run.run import Run
from lightsheet.store.paths import VolumeKey
from tests.support import tiny_run

CHANNEL = "CamA_ch0_488nm"
RAW, RESULT = VolumeKey("raw", CHANNEL, 0), VolumeKey("result", CHANNEL, 0)


def reasons(**sections: dict[str, Any]) -> dict[VolumeKey, str]:
    return dict(find_backlog(tiny_run.prepare(Path(), **sections)).volumes)


def summary(**sections: dict[str, Any]) -> str:
    run = tiny_run.prepare(Path(), **sections)
    return summarise_run(run, find_backlog(run)).partition("\n")[2]


def due(run: Run) -> set[str]:
    return {Path(output).name.removesuffix(".json") for output in list_outputs(run, find_backlog(run))}
