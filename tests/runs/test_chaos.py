"""After any change and any failure the same command goes on: a sample of what `make chaos` draws at random."""

from pathlib import Path

import pytest

from tests.support.chaos_cell import parse_cell
from tests.support.chaos_play import NOT_HIT, Stage, play_cell
from tests.support.shared_folder import find_shared_base

pytestmark = pytest.mark.workflow

CELLS = [
    "consolidate:kill@exchange2/iterations",  # the raw store is the new one, the result is not
    "consolidate:kill-tree@rmtree3/iterations",  # both are new, the provenance is not
    "consolidate:full@link3/iterations",
    "consolidate:raise@output1/nothing+emptied:published-shard",
    "deconvolve:raise@open1/iterations+flipped:raw-shard",
    "deconvolve:kill-main@open2/no-snakemake-iterations",
    "worker:kill@rename1/tiff-older",
    "psf:kill@output1/nothing+deleted:manifests",
    "ingest:damage-same-date/nothing",
    "ingest:kill-tree@rename3/afresh",
    "inventory:int-tree@open1/nothing+cut:crate",
    "report:term@output1/nothing+hollow:result-record",
]


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    folder = find_shared_base(tmp_path_factory) / "chaos"
    folder.mkdir(exist_ok=True)
    return Stage(folder, is_quick=True)


@pytest.mark.parametrize("name", CELLS)
def test_the_same_command_goes_on(name: str, stage: Stage, tmp_path: Path) -> None:
    wrong, story = play_cell(parse_cell(name), stage, tmp_path / "cell")
    assert wrong is None, f"{wrong}; the commands ended with {story}"
    assert NOT_HIT not in story
