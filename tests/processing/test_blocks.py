from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from lightsheet.cluster import FINAL, WorkerRequest
from lightsheet.processing import blocks, ingest_blocks, team
from lightsheet.processing.memory import estimate_memory
from lightsheet.store import Results, VolumeKey, make_failure
from lightsheet.system import InputError, write_json


@pytest.mark.parametrize("shapes", [[(101, 21, 21), (60, 301, 301)], [(60, 301, 301), (101, 21, 21)]])
def test_workers_get_memory_for_the_psf_that_takes_most(
    shapes: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    grants = []

    @contextmanager
    def start_workers(_request: WorkerRequest, _engine: str, memory: int) -> Any:
        grants.append(memory)
        yield None

    settings = {"engine": "cpu", "acceleration": "none"}
    monkeypatch.setattr(team, "describe_stack", lambda path: (shapes[int(path.stem)], None))
    monkeypatch.setattr(team, "start_workers", start_workers)
    results, channels = Results(Path("small")), {"0": settings, "1": settings}
    with team._hire_team(results, channels, (50, 500, 500), WorkerRequest("cpu", 1, 1, results, "t0000"), 1):
        pass
    assert grants == [estimate_memory((50, 500, 500), (60, 301, 301), "cpu", "none")]


def fail_to_ingest(monkeypatch: pytest.MonkeyPatch, cause: Exception) -> None:
    def ingest_volume(results: Results, key: VolumeKey, *_: Any) -> Any:
        write_json(results.record(key), make_failure("a.tif: cannot be read"))
        raise InputError("a.tif: cannot be read") from cause

    monkeypatch.setattr(ingest_blocks, "ingest_volume", ingest_volume)


def test_a_damaged_file_does_not_keep_others_from_being_deconvolved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    fail_to_ingest(monkeypatch, ValueError("a page lies beyond its end"))
    layout: Any = None
    manifest = ingest_blocks.ingest_block(Results(tmp_path), "red", [(0, []), (1, [])], layout, 1)
    assert [entry["record"]["status"] for entry in manifest.values()] == ["failed", "failed"]
    workers = WorkerRequest("local", 1, 1, Results(tmp_path), "t0000")
    (tmp_path / "psf").mkdir()
    (tmp_path / "psf" / "red.json").write_text('{"sha256": ""}')
    with pytest.raises(InputError) as error:
        blocks.deconvolve_block(Results(tmp_path), ["red"], [0, 1], {"engine": "cpu"}, {}, layout, workers)
    assert str(error.value).splitlines() == [
        "2 of 2 volumes could not be deconvolved:",
        *(f"red timepoint {timepoint}: a.tif: cannot be read" for timepoint in (0, 1)),
        FINAL,
    ]


@pytest.mark.parametrize(("attempt", "job", "is_tried_again"), [(1, "12", True), (2, "12", False), (1, None, False)])
def test_a_file_that_one_node_cannot_read_is_tried_on_another(
    attempt: int, job: str | None, is_tried_again: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", job) if job else monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    fail_to_ingest(monkeypatch, OSError("stale file handle"))
    layout: Any = None
    with pytest.raises(InputError, match="could not be ingested") if is_tried_again else nullcontext():
        ingest_blocks.ingest_block(Results(tmp_path), "red", [(0, [])], layout, 1, attempt)
