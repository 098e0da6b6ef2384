from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lightsheet.cluster import FINAL, WorkerRequest
from lightsheet.processing import blocks
from lightsheet.processing.memory import estimate_memory
from lightsheet.store import Results, VolumeKey
from lightsheet.system import InputError


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


@pytest.mark.parametrize(
    ("cause", "is_final"), [(ValueError("a page lies beyond its end"), True), (OSError("stale file handle"), False)]
)
def test_a_damaged_file_is_no_reason_for_another_try_but_one_that_a_node_cannot_read_is(
    cause: Exception, is_final: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ingest_volume(*_: Any) -> Any:
        raise InputError("a.tif: cannot be read") from cause

    monkeypatch.setattr(blocks, "ingest_volume", ingest_volume)
    layout: Any = None
    with pytest.raises(InputError) as error:
        blocks.ingest_block(Results(tmp_path), "red", [(0, []), (1, [])], layout, 1)
    first, *lines = str(error.value).splitlines()
    assert first == "2 of 2 volumes could not be ingested, the others are:"
    assert lines[:2] == [f"red timepoint {timepoint}: a.tif: cannot be read" for timepoint in (0, 1)]
    assert lines[2:] == [FINAL] * is_final
