"""Which timepoints are missing in folders of empty files, against what a person would see missing."""

import pytest

from lightsheet.acquisition.discovery import discover
from tests.acquisition.test_discovery import TEMPLATE, fill, reference_name, refusal


def test_missing_timepoint_of_one_channel(tmp_path):
    fill(tmp_path, *(reference_name(t, c) for t in range(5) for c in (0, 1) if (t, c) != (2, 1)))
    message = refusal(tmp_path)
    assert str(tmp_path) in message
    assert "CamA_ch1_560nm lacks timepoint 2 (of 0 to 4)" in message
    assert "CamB" not in message
    assert "on one side of the gap" in message
    assert "input.settle" not in message


def test_missing_last_timepoint_offers_to_leave_it_out(tmp_path):
    fill(tmp_path, *(reference_name(t, c) for t in range(5) for c in (0, 1) if (t, c) != (4, 1)))
    message = refusal(tmp_path)
    assert "CamA_ch1_560nm lacks timepoint 4" in message
    assert "leave the other files of those timepoints out (input.ignore)" in message
    assert "or, while the microscope still writes, leave it for the next run with input.settle: 60" in message
    assert discover(tmp_path, "lattice", ["*_stack0004_*"]).timepoints == 4


def test_missing_timepoints_of_all_channels_are_summarised(tmp_path):
    fill(tmp_path, *(f"CH{c}_{t}.tif" for c in (0, 1) for t in (0, 2, 4, 6, 8, 10, 12, 100)))
    message = refusal(tmp_path, TEMPLATE)
    assert "ch0 lacks timepoint 1, 3, 5, 7, 9 and 88 more; ch1 lacks" in message


def test_a_date_as_timepoint_does_not_fill_the_memory(tmp_path):
    fill(tmp_path, "CH0_0.tif", "CH0_20231105203015.tif")
    assert "lacks timepoint 1-20231105203014" in refusal(tmp_path, TEMPLATE)


def test_a_psf_beside_the_images_is_named(tmp_path):
    fill(tmp_path, *(reference_name(t) for t in range(3)), "mbPSF_560_NAp5nap42_z100nm.tif")
    message = refusal(tmp_path)
    assert "560nm lacks timepoint 1-2" in message
    assert "leave mbPSF_560_NAp5nap42_z100nm.tif out (input.ignore)" in message
    assert discover(tmp_path, "lattice", ["*PSF*"]).timepoints == 3


def test_holes_are_recorded_where_asked(tmp_path):
    absent = {(2, 1), (4, 0), (4, 1)}
    fill(tmp_path, *(reference_name(t, c) for t in range(6) for c in (0, 1) if (t, c) not in absent))
    assert "(input.missing: fill)" in refusal(tmp_path)
    acquisition = discover(tmp_path, missing="fill")
    assert acquisition.timepoints == 6
    assert acquisition.holes == (("CamA_ch1_560nm", 2), ("CamA_ch1_560nm", 4), ("CamB_ch0_488nm", 4))
    assert {(v.channel, v.timepoint) for v in acquisition.volumes if v.tiles == ()} == set(acquisition.holes)
    assert len(acquisition.volumes) == 12
    assert acquisition.seconds == (0.0, 43.748, 87.497, 131.246, None, 218.742)
    assert acquisition.interval == pytest.approx(43.7485, abs=1e-3)
    [remark] = acquisition.remarks
    assert "CamA_ch1_560nm lacks timepoint 2, 4; CamB_ch0_488nm lacks timepoint 4 (of 0 to 5)" in remark


def test_a_complete_folder_has_no_holes(tmp_path):
    fill(tmp_path, *(f"CH{c}_{t}.tif" for c in (0, 1) for t in range(3)))
    assert discover(tmp_path, TEMPLATE, missing="fill") == discover(tmp_path, TEMPLATE)
    assert discover(tmp_path, TEMPLATE).holes == ()


def test_a_channel_may_be_rare_but_the_time_axis_may_not(tmp_path):
    fill(tmp_path, *(f"CH0_{t}.tif" for t in range(9)), "CH1_0.tif", "CH1_8.tif")
    assert len(discover(tmp_path, TEMPLATE, missing="fill").holes) == 7
    fill(tmp_path, "CH0_20231105203015.tif")
    message = refusal(tmp_path, TEMPLATE, missing="fill")
    assert "ch0 lacks timepoint 9-20231105203014" in message
    assert "; more timepoints are missing than there are, so these numbers hardly count timepoints; copy" in message
    assert "input.missing" not in message


def test_a_number_that_no_list_could_be_as_long_as(tmp_path):
    fill(tmp_path, "CH0_0.tif", f"CH0_{2**64}.tif")
    assert f"lacks timepoint 1-{2**64 - 1}" in refusal(tmp_path, TEMPLATE)
