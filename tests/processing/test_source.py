"""Raw volumes that are read where their files are, and digested while they are read."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from lightsheet.processing import source
from lightsheet.processing.ingest import ingest_volume
from lightsheet.processing.source import Source, describes_source, make_hole_record, read_source
from lightsheet.store.paths import Results, VolumeKey
from lightsheet.store.volumes import StoreLayout
from lightsheet.system.errors import InputError

SHAPE = (9, 40, 36)
VOXEL = {"z": 0.3, "y": 0.1, "x": 0.1}


def write(folder: Path, pages: int = SHAPE[0]) -> tuple[Path, np.ndarray]:
    volume = np.random.default_rng(2).integers(90, 900, (pages, *SHAPE[1:])).astype(np.uint16)
    path = folder / "a.tif"
    tifffile.imwrite(path, volume, photometric="minisblack")
    return path, volume


def make_source(path: Path, pages: Any = None, region: Any = None) -> Source:
    shape = [stop - start for start, stop, _ in region] if region else SHAPE
    return Source([((0, 0, 0), [(str(path), pages)])], shape, "uint16", region, None)


@pytest.mark.parametrize(
    ("pages", "region"),
    [(None, None), ((1, 19, 2, 20), None), (None, [[2, 7, 9], [3, 30, 40], [0, 36, 36]])],
    ids=["a file", "pages", "a region"],
)
def test_it_is_known_by_the_same_digest_and_numbers_as_one_that_is_copied(
    tmp_path: Path, pages: Any, region: Any
) -> None:
    path, volume = write(tmp_path, 20 if pages else SHAPE[0])
    where = make_source(path, pages, region)
    raw, record = read_source(where, 2)
    expected = volume[slice(*pages[:3])] if pages else volume
    expected = expected[tuple(slice(a, b) for a, b, _ in region)] if region else expected
    np.testing.assert_array_equal(raw, expected)
    layout = StoreLayout.plan(where.shape, VOXEL, "uint16", {"name": "zstd", "configuration": {}})
    copied = ingest_volume(
        Results(tmp_path / "run"), VolumeKey("raw", "A", 0), where.tiles, layout, 2, region=where.region
    )
    for name in ("source", "ingest", "sources", "statistics"):
        assert record[name] == copied[name], name
    assert describes_source(record, where)
    assert describes_source(copied, where)
    path.touch()
    assert not describes_source(record, where)


def test_a_file_that_changes_while_it_is_read_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, volume = write(tmp_path)
    digest = source.digest_sources

    def replace(*place: Any) -> list[str]:
        digests = digest(*place)
        tifffile.imwrite(path, volume[::-1], photometric="minisblack")
        return digests

    monkeypatch.setattr(source, "digest_sources", replace)
    with pytest.raises(InputError, match="it changed while it was read"):
        read_source(make_source(path), 1)


def test_what_is_no_number_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.full(SHAPE, np.nan, np.float32), photometric="minisblack")
    with pytest.raises(InputError, match="NaN or infinity"):
        read_source(make_source(path)._replace(dtype="float32"), 1)


def test_a_hole_has_no_pixels_and_no_files() -> None:
    record = make_hole_record(make_source(Path("gone"))._replace(tiles=[]))
    assert record["missing"]
    assert record["shards"] == record["sources"] == []
