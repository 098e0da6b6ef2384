"""The time axis of folders of empty files: timepoints and seconds, against what a person would read in the names."""

import pytest

from lightsheet.acquisition.discovery import discover
from tests.acquisition.test_discovery import TEMPLATE, file_names, fill, reference_name, refusal

# --- Which number counts timepoints


def test_iter_counts_timepoints_where_nothing_else_does(tmp_path):
    fill(tmp_path, *(f"loop_Iter_{i}_ch{c}_stack0000_560nm.tif" for i in range(8, 12) for c in (0, 1)))
    acquisition = discover(tmp_path)
    assert acquisition.timepoints == 4
    assert file_names(acquisition)["ch1_560nm", 3] == ["loop_Iter_11_ch1_stack0000_560nm.tif"]
    assert acquisition.seconds is None
    assert acquisition.interval is None
    assert {volume.seconds for volume in acquisition.volumes} == {None}


def test_time_from_iter_and_stack_together(tmp_path):
    fill(tmp_path, *(f"a_Iter_{i}_ch0_stack{s:04d}_560nm.tif" for i in (1, 2) for s in range(3)))
    order = [name for [name] in file_names(discover(tmp_path)).values()]
    assert order == [f"a_Iter_{i}_ch0_stack{s:04d}_560nm.tif" for i in (1, 2) for s in range(3)]


def test_time_from_the_absolute_clock_where_nothing_else_varies(tmp_path):
    clocks = {0: [900, 1900, 12900], 1: [950, 1950, 12950]}  # 12900 comes before 900 as text
    name = "looptest_Iter_1_ch{}_stack0000_560nm_0000000msec_{}msecAbs.tif"
    fill(tmp_path, *(name.format(c, clock) for c, times in clocks.items() for clock in times))
    acquisition = discover(tmp_path)
    assert [file_names(acquisition)[f"ch{c}_560nm", t] for c in (0, 1) for t in range(3)] == [
        [name.format(c, clocks[c][t])] for c in (0, 1) for t in range(3)
    ]
    assert acquisition.seconds == (0.0, 1.0, 12.0)
    assert [v.seconds for v in acquisition.volumes] == [0.0, 0.05, 1.0, 1.05, 12.0, 12.05]
    assert any("Only the times" in remark for remark in acquisition.remarks)


def test_a_single_volume_of_any_number(tmp_path):
    fill(tmp_path, "ff_CamA_ch0_CAM1_stack0000_488nm_0000000msec_0096911533msecAbs_000x_000y_000z_0017t.tif")
    acquisition = discover(tmp_path)
    assert (acquisition.timepoints, acquisition.seconds, acquisition.interval) == (1, (0.0,), None)
    assert acquisition.volumes[0].timepoint == 0


def test_template_without_timepoint_goes_by_milliseconds(tmp_path):
    fill(tmp_path, *(f"at {ms} ms.tif" for ms in (0, 500, 1000)))
    acquisition = discover(tmp_path, "at {milliseconds} ms.tif")
    assert acquisition.channels == ("ch0",)
    assert acquisition.seconds == (0.0, 0.5, 1.0)
    assert acquisition.interval == 0.5


# --- Remarks on times


def test_irregular_time_is_remarked(tmp_path):
    for stack, msec in enumerate([0, 1000, 2000, 3049, 4049]):
        fill(tmp_path, reference_name(stack, msec=msec))
    assert discover(tmp_path).remarks == ()  # 4.9 % off the median
    (tmp_path / reference_name(4, msec=4049)).unlink()
    fill(tmp_path, reference_name(4, msec=4149))
    [remark] = discover(tmp_path).remarks
    assert "1.100 s from timepoint 3 to 4" in remark


def test_times_missing_in_some_names_are_remarked(tmp_path):
    bare = "ex6-2_CamA_ch1_stack000{}_560nm.tif"
    fill(tmp_path, *(reference_name(t) for t in range(3)), *(bare.format(t) for t in range(3)))
    acquisition = discover(tmp_path)
    assert acquisition.seconds == (0.0, 43.748, 87.497)
    assert [v.seconds for v in acquisition.volumes if v.channel == "CamA_ch1_560nm"] == [None] * 3
    assert acquisition.remarks == ("3 of 6 file names carry no time.",)


def test_times_that_cannot_serve_are_remarked(tmp_path):
    fill(tmp_path, reference_name(0), "ex6-2_CamB_ch0_stack0001_488nm.tif")
    acquisition = discover(tmp_path)
    assert acquisition.seconds is None
    assert any("incomplete" in remark for remark in acquisition.remarks)


def test_steps_reach_over_timepoints_without_a_time(tmp_path):
    times = {0: 0, 1: 1000, 2: None, 3: 3100, 5: 5100}  # no file has 4
    name = "a_CamA_ch0_stack{:04d}_488nm{}.tif"
    fill(tmp_path, *(name.format(t, "" if ms is None else f"_{ms:07d}msec") for t, ms in times.items()))
    acquisition = discover(tmp_path, missing="fill")
    assert acquisition.seconds == (0.0, 1.0, None, 3.1, None, 5.1)
    assert acquisition.interval == pytest.approx(1.0)  # of 1, 1.05 and 1
    assert [volume.seconds for volume in acquisition.volumes] == list(acquisition.seconds)
    assert "1 of 5 file names carry no time." in acquisition.remarks


def test_the_clock_that_knows_more_timepoints_counts(tmp_path):
    names = [reference_name(t, msec=1000 * t) for t in range(4)]
    fill(tmp_path, *names[:3], names[3].replace("_0003000msec_", "_"))
    assert discover(tmp_path).seconds == (0.0, 1.0, 2.0, 3.0)


# --- What is refused


@pytest.mark.parametrize("count", [1, 3])
def test_two_acquisitions_in_one_folder(tmp_path, count):
    # Their clocks differ: they must not pass for timepoints of one acquisition.
    starts = {"ex1": 1_000_000, "ex2": 9_000_000}
    names = [reference_name(t, prefix=prefix, start=start) for prefix, start in starts.items() for t in range(count)]
    message = refusal(fill(tmp_path, *names))
    assert "two files are timepoint 0 of CamB_ch0_488nm" in message
    assert names[0] in message
    assert names[count] in message
    assert "input.ignore" in message
    assert discover(tmp_path, "lattice", ["ex2_*"]).timepoints == count


def test_two_files_of_one_timepoint_are_refused(tmp_path):
    fill(tmp_path, "CH0_1.tif", "CH0_01.tif", "CH0_2.tif")
    message = refusal(tmp_path, TEMPLATE)
    assert "two files are timepoint 1 of ch0" in message
    assert "CH0_1.tif" in message
    assert "CH0_01.tif" in message
