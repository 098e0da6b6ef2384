from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lightsheet.cluster import WorkerRequest
from lightsheet.processing import blocks
from lightsheet.processing.memory import estimate_memory
from lightsheet.store import Results, VolumeKey


@pytest.mark.parametrize("shapes", [[(101, 21, 21), (60, 301, 301)], [(60, 301, 301), (101, 21, 21)]])
def test_workers_get_memory_for_the_psf_that_takes_most(
    shapes: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    grants = []

    @contextmanager
    def start_workers(_request: WorkerRequest, _engine: str, memory: int) -> Any:
        grants.append(memory)
        yield None

    layout = SimpleNamespace(levels=[SimpleNamespace(shape=(50, 500, 500))])
    settings = {"engine": "cpu", "acceleration": "none"}
    todo = {VolumeKey("result", f"ch{n}", 0): {"psf": n, "settings": settings, "layout": layout} for n in range(2)}
    monkeypatch.setattr(blocks, "describe_stack", lambda n: (shapes[n], None))
    monkeypatch.setattr(blocks, "start_workers", start_workers)
    monkeypatch.setattr(blocks, "map_volumes", lambda *_: [])
    blocks._run_tasks(todo, WorkerRequest("cpu", 1, 1, Results(Path("small")), "t0000"), print)
    assert grants == [estimate_memory((50, 500, 500), (60, 301, 301), "cpu", "none")]
