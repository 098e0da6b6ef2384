import shutil
from pathlib import Path

import numpy as np
import pytest

from lightsheet.store import published_image
from lightsheet.store.paths import shard_path
from lightsheet.system.errors import InputError
from tests.support import published_run
from tests.support.families import parametrize
from tests.support.published_run import CHANNELS, INTERVAL, VOXEL, Run

SHAPE = (12, 20, 300)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    hole = ("CamB_ch1_560nm", 0)
    return published_run.make(tmp_path_factory.mktemp("published"), SHAPE, timepoints=2, missing=[hole])


@pytest.mark.parametrize("kind", ["raw", "result"])
def test_an_image_says_what_was_published(run: Run, kind: str) -> None:
    image = published_image.read_image(run.results, kind)
    assert (image.name, list(image.timepoints), image.dtype) == ("run", [0, 1], published_run.DTYPES[kind])
    assert image.levels == run.layouts[kind].levels
    assert (image.voxel_size, image.interval, image.seconds) == (VOXEL, INTERVAL, (0, INTERVAL))
    assert image.missing == {("CamB_ch1_560nm", 0)}
    looks = [(channel.name, channel.colour, channel.window) for channel in image.channels]
    assert looks == [(name, colour, (0, 4000)) for name, colour in zip(CHANNELS, ("00FF40", "FFC000"), strict=True)]


@pytest.mark.parametrize("kind", ["raw", "result"])
@pytest.mark.parametrize("whole_planes", [False, True])
def test_bands_make_up_the_volume(run: Run, kind: str, whole_planes: bool) -> None:
    image = published_image.read_image(run.results, kind)
    depth, height, _ = image.levels[0].chunk
    for c, channel in enumerate(image.channels):
        for t in image.timepoints:
            volume = np.zeros(SHAPE)
            for where, band in image.read_bands(channel, t, 0, whole_planes=whole_planes):
                assert band.shape == (depth, SHAPE[1] if whole_planes else height, SHAPE[2])
                volume[where] = band
            np.testing.assert_array_equal(volume, run.volumes[kind, t, c])


@parametrize(
    ("damage", "complaint"),
    [
        (lambda shard: shard.unlink(), "is missing; run the workflow again"),
        (lambda shard: shard.write_bytes(b""), "has a damaged shard index; remove it and run"),
        (lambda shard: shard.write_bytes(shard.read_bytes()[:-50]), "has a damaged shard index; remove it and run"),
        (
            lambda shard: shard.write_bytes(b"\xff" * 9 + shard.read_bytes()[9:]),
            "has a damaged inner chunk at byte 0; remove it and run",
        ),
    ],
    ids=["missing", "empty", "cut", "flipped"],
)
def test_a_shard_that_is_not_whole_is_named(tmp_path: Path, damage, complaint: str) -> None:  # type: ignore[no-untyped-def]
    run = published_run.make(tmp_path, (4, 8, 8))
    shard = shard_path(run.results.store, 0, (0, 1))
    damage(shard)
    image = published_image.read_image(run.results, "result")
    with pytest.raises(InputError, match=f"{shard} {complaint}"):
        list(image.read_bands(image.channels[1], 0, 0))


def test_a_folder_without_a_finished_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{tmp_path}: there is no NAME.ome.zarr in it; name the folder of one fin"):
        published_image.find_finished(tmp_path)


def test_a_copy_has_any_name_and_a_link_too(run: Run, tmp_path: Path) -> None:
    copy, link = shutil.copytree(run.results.folder, tmp_path / "another"), tmp_path / "link"
    (copy / ".part.run.ome.zarr").mkdir()
    (copy / ".part.run.ome.zarr" / "zarr.json").touch()  # of a publication under way
    link.symlink_to(copy)
    for folder in (copy, link):
        results = published_image.find_finished(folder)
        assert (results.folder, results.store, results.name) == (folder, folder / "run.ome.zarr", "run")
        assert published_image.read_image(results, "raw").name == "run"
    assert published_image.find_finished(copy / "run.ome.zarr").folder == copy, "its store was named"
    shutil.copytree(copy / "run.ome.zarr", copy / "second.ome.zarr")
    with pytest.raises(InputError, match=r"there is run\.ome\.zarr, second\.ome\.zarr in it; name the folder of one"):
        published_image.find_finished(copy)


def test_the_folder_one_stands_in_has_a_name(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.results.folder)
    assert published_image.find_finished(Path()).store == run.results.store
