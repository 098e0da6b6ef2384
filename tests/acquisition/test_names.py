"""Names as microscopes write them, against the fields that a person reads in them."""

import string

import pytest
from hypothesis import given, strategies as st

from lightsheet.acquisition.names import name_channel, parse_name
from lightsheet.acquisition.presets import SUFFIXES, is_tiff
from lightsheet.system.errors import InputError
from tests.acquisition.test_templates import VALUES
from tests.support.reference_data import DATA

AO_LLSM = "ex6-2_CamA_ch1_CAM1_stack0004_560nm_0174993msec_0001466788msecAbs_000x_000y_000z_0000t.tif"
SCAN = "Scan_Iter_0000_0001_CamB_ch0_CAM1_stack0000_488nm_0000000msec_0106215043msecAbs_000x_003y_-01z_0001t.tif"

LATTICE = {
    AO_LLSM: {
        "prefix": "ex6-2",
        "camera": "CamA",
        "channel": 1,
        "stack": 4,
        "wavelength_nm": 560,
        "milliseconds": 174993,
        "milliseconds_absolute": 1466788,
        "x": 0,
        "y": 0,
        "z": 0,
        "timepoint_suffix": 0,
    },
    SCAN: {
        "prefix": "Scan",
        "iter": (0, 1),
        "camera": "CamB",
        "channel": 0,
        "stack": 0,
        "wavelength_nm": 488,
        "milliseconds": 0,
        "milliseconds_absolute": 106215043,
        "x": 0,
        "y": 3,
        "z": -1,
        "timepoint_suffix": 1,
    },
    "cell5_ch0_stack0000_488nm-SB_0000000msec_0020931273msecAbs.tif": {
        "prefix": "cell5",
        "channel": 0,
        "stack": 0,
        "wavelength_nm": 488,
        "milliseconds": 0,
        "milliseconds_absolute": 20931273,
    },
    "looptest_Iter_12_ch1_stack0000_560nm_0000000msec_0006431503msecAbs.TIFF": {
        "prefix": "looptest",
        "iter": (12,),
        "channel": 1,
        "stack": 0,
        "wavelength_nm": 560,
        "milliseconds": 0,
        "milliseconds_absolute": 6431503,
    },
    "bright00p1_Iter_CamA_ch0_stack0000_488nm.tif": {
        "prefix": "bright00p1",
        "camera": "CamA",
        "channel": 0,
        "stack": 0,
        "wavelength_nm": 488,
    },
    "488 PSF galvo_ch0_stack0007_561nm_0008687820msecAbs.btf": {
        "prefix": "488 PSF galvo",
        "channel": 0,
        "stack": 7,
        "wavelength_nm": 561,
        "milliseconds_absolute": 8687820,
    },
    "a_ch3_b_stack1_ch0_stack0002_488nm.tif": {
        "prefix": "a_ch3_b_stack1",
        "channel": 0,
        "stack": 2,
        "wavelength_nm": 488,
    },
    "488-561 mix [0.5%]_ch1_stack0003_642nm.tif": {
        "prefix": "488-561 mix [0.5%]",
        "channel": 1,
        "stack": 3,
        "wavelength_nm": 642,
    },
    "ch0_stack0000_488nm.tif": {"channel": 0, "stack": 0, "wavelength_nm": 488},
    "mbPSF_560_NAp5nap42_z100nm.tif": {"prefix": "mbPSF", "wavelength_nm": 560, "z_step_um": 0.1},
    "wideFieldPSF_560_z100nm.tif": {"prefix": "wideFieldPSF", "wavelength_nm": 560, "z_step_um": 0.1},
    "sample_scan_560_20ms_zp36_cell1.tif": {"prefix": "sample_scan", "wavelength_nm": 560, "z_step_um": 0.36},
    "sample_488_z1p5.tif": {"prefix": "sample", "wavelength_nm": 488, "z_step_um": 1.5},
}


@pytest.mark.parametrize("name", LATTICE)
def test_lattice_name_is_read_field_by_field(name):
    assert parse_name(name) == LATTICE[name]


def lattice_rows() -> list[str]:
    table = DATA / "filenames.tsv"
    if not table.exists():
        return []
    rows = [line.split("\t") for line in table.read_text(encoding="utf-8").splitlines()[1:]]
    instruments = ["LLSM"] * 2  # "same" in the second column means the row above
    names = []
    for name, instrument, *_ in rows:
        instruments.append(instruments[-1] if instrument == "same" else instrument)
        if "LLSM" in instruments[-1]:
            names.append(name.replace("...", "000msecAbs_000x_000y_000z_0000t.tif"))
    return names


def test_every_lattice_name_of_the_collection_is_read():
    names = lattice_rows()
    if not names:
        pytest.skip(f"no filenames.tsv in {DATA}")
    assert len(names) >= 17
    for name in names:
        fields = parse_name(name)
        # Independent of the patterns: the wavelength stands before "nm", or alone between underscores.
        assert f"_{fields['wavelength_nm']}" in name
        if "stack" in fields:
            assert f"_ch{fields['channel']}_" in name
            assert f"stack{fields['stack']:04d}_{fields['wavelength_nm']}nm" in name
        assert ("msecAbs" in name) == ("milliseconds_absolute" in fields)
        assert ("_CamB_" in name) == (fields.get("camera") == "CamB")


@pytest.mark.parametrize(
    "name",
    [
        AO_LLSM.replace(".tif", "_decon.tif"),
        AO_LLSM.replace(".tif", "_deskewed.tif"),
        "cell5_ch0_stack0006_488nm_0005280msec_0020936553msecAbs_MIP.tif",
        "sample_scan_560_20ms_zp36_cell1_decon.tif",
        f"MAX_{AO_LLSM}",
        f"MIP_{AO_LLSM}",
    ],
)
def test_derived_file_is_refused_as_such(name):
    with pytest.raises(InputError, match="looks derived") as error:
        parse_name(name)
    assert name in str(error.value)


@pytest.mark.parametrize(
    ("name", "pattern", "stopped", "expected"),
    [
        ("ex_ch0_stock0000_488nm.tif", "lattice", "after 'ex_ch0' at '_stock0000", "'_stack0000'"),
        ("ex_ch0_stack0000_488.tif", "lattice", "after 'ex_ch0_stack0000' at '_488.tif'", "'_560nm'"),
        ("ex_ch0_stack0000_488nm.png", "lattice", "at '.png'", ".tif, .tiff or .btf"),
        ("sample_560_cell1.tif", "lattice", "after 'sample_560'", "'_zp36'"),
        ("readme.tif", "lattice", "at its beginning", "'_ch0'"),
        ("CH01-000003.tif", "CH{channel}_{timepoint}.tif", "after 'CH' at '01-000003.tif'", "'{channel}_'"),
        ("CH01_x.tif", "CH{channel}_{timepoint}.tif", "after 'CH01_' at 'x.tif'", "'{timepoint}'"),
        ("CH01_3_decon.tif", "CH{channel}_{timepoint}.tif", "at '_decon.tif'", "'.tif'"),
        ("12.tif", "{timepoint}", "after '12' at '.tif'", "the end of the name"),
        ("Pos1/a_3.tif", "Pos{position}/t{timepoint}.tif", "after 'Pos1/' at 'a_3.tif'", "'t'"),
        ("Pos1/b/t3.tif", "Pos{position}/t{timepoint}.tif", "after 'Pos1/' at 'b/t3.tif'", "'t'"),
        ("z1.tif", "z{plane}_{part}.tif", "after 'z1' at '.tif'", "'_'"),
    ],
)
def test_error_says_where_reading_stopped_and_what_was_expected(name, pattern, stopped, expected):
    with pytest.raises(InputError) as error:
        parse_name(name, pattern)
    message = str(error.value)
    assert name in message
    assert stopped in message
    assert expected in message.partition("expected")[2]


@given(st.integers(0, 9999), st.integers(0, 9), st.sampled_from([None, "CamA", "CamB"]), st.text("ab_- 1", max_size=9))
def test_lattice_name_written_is_read_back(stack, channel, camera, prefix):
    fields = {"channel": channel, "stack": stack, "wavelength_nm": 642}
    fields |= {"prefix": prefix} if prefix else {}
    fields |= {"camera": camera} if camera else {}
    head = "_".join(part for part in [prefix, camera] if part)
    assert parse_name(f"{head}{'_' if head else ''}ch{channel}_stack{stack:04d}_642nm.tif") == fields


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"camera": "CamA", "channel": 1, "wavelength_nm": 560}, "CamA_ch1_560nm"),
        ({"channel": 0, "wavelength_nm": 488, "stack": 3}, "ch0_488nm"),
        ({"wavelength_nm": 560, "z_step_um": 0.1}, "560nm"),
        (parse_name("CH01_5.tif", "CH{channel}_{timepoint}.tif"), "ch1"),
        ({"channel": "GFP"}, "GFP"),
        ({"camera": "1"}, "Cam1"),
        ({"timepoint": 4}, "ch0"),
        ({"camera": "left eye", "channel": "a/b_c"}, "left-eye_a-b-c"),
        ({"channel": ".."}, "-."),
        ({"view": 1, "camera": "0", "channel": 2, "wavelength_nm": 488}, "view1_Cam0_ch2_488nm"),
        ({"view": "SPIMA", "timepoint": 4, "position": 3, "plane": 2, "part": 1}, "SPIMA"),
        ({"view": "Sh0_Rot-15.9", "wavelength_nm": 561}, "Sh0-Rot-15.9_561nm"),
        ({"channel": "Ångström"}, "-ngstr-m"),
    ],
)
def test_a_channel_is_named_by_its_fields(fields, name):
    assert name_channel(fields) == name


@given(VALUES["channel"], st.text(min_size=1), st.none() | VALUES["view"])
def test_channel_name_is_fit_for_a_folder(channel, camera, view):
    fields = {"camera": camera, "channel": channel}
    name = name_channel(fields if view is None else fields | {"view": view})
    assert set(name) <= set(string.ascii_letters + string.digits + "_.-")
    assert not name.startswith(".")


def test_the_endings_are_those_that_are_read():
    for suffix in SUFFIXES:
        assert parse_name(f"ch0_stack0000_488nm{suffix}")["stack"] == 0


@pytest.mark.parametrize(("name", "yes"), [("a.TIF", True), ("a.ome.tiff", True), ("a.btf", True), ("a.txt", False)])
def test_a_tiff_is_told_by_its_suffix(name: str, yes: bool) -> None:
    assert is_tiff(name) is yes
