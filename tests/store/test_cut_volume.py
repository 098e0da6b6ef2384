"""Volumes in their chunks: what is read and written so is what is read and written as a whole."""

import numpy as np
import pytest

from lightsheet.store import CutVolume, StoreLayout, read_cut_volume, read_volume, shard_path, write_volume
from lightsheet.system import DamagedVolumeError

SHAPE = (6, 260, 140)
LAYOUT = StoreLayout.plan(SHAPE, {"z": 0.3, "y": 0.1, "x": 0.1}, "uint16", {"name": "zstd"})
VOLUME = np.random.default_rng(0).integers(0, 2**16, SHAPE).astype(np.uint16)


def test_a_volume_that_is_read_in_its_chunks_is_the_same_and_written_as_the_same_shard(tmp_path):
    written = write_volume(tmp_path / "whole", 0, VOLUME, LAYOUT, 2)
    allocated = []

    def allocate(shape, dtype):
        allocated.append(np.empty(shape, dtype))
        return allocated[-1]

    cut = read_cut_volume(tmp_path / "whole", 0, 2, allocate)
    assert len(cut.chunks) == 2
    assert cut.chunks is allocated[0]
    assert (cut.shape, cut.dtype) == (SHAPE, np.uint16)
    np.testing.assert_array_equal(cut.assemble(), VOLUME)
    np.testing.assert_array_equal(cut[2:4, 5:250], VOLUME[2:4, 5:250])
    assert write_volume(tmp_path / "cut", 0, cut, LAYOUT, 2) == written
    levels = [np.ascontiguousarray(read_volume(tmp_path / "whole", 0)), *([VOLUME[:, ::2, ::2] // 2])]
    mixed, _ = write_volume(tmp_path / "mixed", 0, cut, LAYOUT, 2, coarser=levels[1:2])
    assert mixed[0] == written[0][0]
    assert mixed[1] != written[0][1], "the level that was made is written, not the volume's"


def test_chunks_of_another_shape_are_put_together_first(tmp_path):
    expected = write_volume(tmp_path / "whole", 0, VOLUME, LAYOUT, 2)
    rows = CutVolume(SHAPE, VOLUME.reshape(SHAPE[0] * SHAPE[1], 1, 1, SHAPE[2]))
    assert write_volume(tmp_path / "rows", 0, rows, LAYOUT, 2) == expected


def test_a_damaged_or_missing_shard_is_told(tmp_path):
    write_volume(tmp_path, 0, VOLUME, LAYOUT, 2)
    path = shard_path(tmp_path, 0, (0,))
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedVolumeError, match="damaged inner chunk"):
        read_cut_volume(tmp_path, 0)
    path.unlink()
    with pytest.raises(DamagedVolumeError, match="is missing"):
        read_cut_volume(tmp_path, 0)
