"""What a run says when it ends."""

import shlex
from pathlib import Path

from lightsheet.store.paths import VolumeKey
from lightsheet.system.files import read_json, write_json
from lightsheet.workflow.outcome import describe_outcome
from tests.support import tiny_run
from tests.support.families import parametrize


@parametrize(("raw", "words"), [("keep", "4 volumes ingested, 3"), ("none", "3")])
def test_work_is_what_was_done_and_commands_can_be_copied(tmp_path: Path, raw: str, words: str) -> None:
    """A volume that is read where it lies is not ingested, and a hole is not deconvolved."""
    run = tiny_run.make(tmp_path / "a b", output={"raw": raw})
    path = run.results.record(VolumeKey("result", run.channels[0], 0))
    write_json(path, {**read_json(path), "missing": True})
    first, store, *_, last = describe_outcome(run, run.read_records(), start=1.0)
    assert store.endswith(", 4 volumes, 1 of them missing")
    assert f": {words} volumes deconvolved; " in first
    assert shlex.split(last)[5] == str(run.results.folder)
