from pathlib import Path

import numpy as np
import pytest

from lightsheet.processing import camera
from lightsheet.system.machine import allocate_on_disk


def test_the_background_is_found_below_the_light() -> None:
    rng = np.random.default_rng(2)
    volume = rng.normal(104, 3, (16, 64, 64))
    volume[4:12, 16:48, 16:48] += rng.poisson(300, (8, 32, 32))
    # the mean of 512 voxels of noise 3 has a standard error of 0.13; the 1st percentile lies 2.3 of these below
    assert camera.estimate_background(volume.astype(np.uint16)) == pytest.approx(103.5, abs=0.6)


@pytest.mark.parametrize("shape", [(1, 5, 9), (7, 3, 2), (9, 17, 33)])
def test_the_background_of_small_volumes(shape: tuple[int, ...]) -> None:
    assert camera.estimate_background(np.full(shape, 7, np.uint16)) == 7


def test_what_the_camera_could_not_show_is_counted() -> None:
    raw = np.array([[[0, 99, 100], [101, 65534, 65535]]], np.uint16)
    assert camera.describe_counts(raw, 100) == {
        "background": 100,
        "negative_voxels": 2,
        "saturated_voxels": 1,
        "flux_before": 1 + 65434 + 65435,
    }
    assert camera.describe_counts(raw.astype(np.float32), 0)["saturated_voxels"] == 0, "no largest value to speak of"


def test_integers_are_rounded_and_clipped_on_the_disk_too(tmp_path: Path) -> None:
    result = np.array([[[0.4, 1.6, 6553.5, 6553.6]]], np.float32)
    for allocate in (np.empty, allocate_on_disk(tmp_path)):
        stored, clipped = camera.convert_result(result, "uint16", 10, allocate)
        assert (stored.dtype, clipped) == (np.uint16, 1)
        np.testing.assert_array_equal(stored, [[[4, 16, 65535, 65535]]])
