"""What a sample says of a channel that a moved stage recorded."""

import re

import numpy as np

from lightsheet.processing.straightness import warn_of_scan
from tests.scan.test_plane_shift import record


def test_a_stage_scan_is_told_and_a_straight_volume_is_not():
    scan, straight = np.concatenate(record(-3.27)), np.concatenate(record(0))
    (sentence,) = warn_of_scan({0: straight, 5: scan, 9: straight}, 200)
    assert re.search(r"looks like a raw stage scan: each plane lies 3\.[23] voxels along x", sentence)
    assert "oblique PSF" in sentence
    assert warn_of_scan({0: straight}, 200) == []
    assert len(warn_of_scan({0: scan.swapaxes(1, 2)}, 200)) == 1


def test_a_volume_that_was_read_whole_is_one_slab():
    whole = np.concatenate(record(3.27))[:12]
    assert "voxels along x" in warn_of_scan({0: whole[:8]}, 200)[0]
    assert warn_of_scan({0: whole[:3]}, 3) == []
