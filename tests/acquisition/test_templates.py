"""Templates of file names, against the fields that a person would read by them."""

import string

import pytest
from hypothesis import given, strategies as st

from lightsheet.acquisition.names import compile_pattern, count_folders, parse_name
from lightsheet.system.errors import InputError


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("latice", r"no preset \(lattice, .*plain\).*a template has \{fields\}"),
        ("", "no preset"),
        ("CH{chanel}_{timepoint}.tif", r"no field \{chanel\}.*did you mean \{channel\}"),
        ("{qqqq}.tif", "the fields are prefix, camera"),
        ("{}.tif", r"no field \{\}"),
        ("{timepoint:04d}.tif", r"write \{timepoint\} without a format"),
        ("{timepoint!r}.tif", "without a format"),
        ("CH{channel", "a field is written"),
    ],
)
def test_wrong_pattern_is_explained(pattern, says):
    with pytest.raises(InputError, match=says):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    ("name", "pattern", "fields"),
    [
        ("CH01_000012.tif", "CH{channel}_{timepoint}.tif", {"channel": 1, "timepoint": 12}),
        ("1_CH00_000000.tif", "{prefix}_CH{channel}_{timepoint}.tif", {"prefix": "1", "channel": 0, "timepoint": 0}),
        ("GFP_t1.tif", "{channel}_t{timepoint}.tif", {"channel": "GFP", "timepoint": 1}),
        ("a_b_t1.tif", "{channel}_t{timepoint}.tif", {"channel": "a_b", "timepoint": 1}),
        ("p_x-2_y10_z0.tif", "{any}_x{x}_y{y}_z{z}.tif", {"x": -2, "y": 10, "z": 0}),
        ("488 at 250 ms [cam A].tif", "{wavelength} at {milliseconds} ms [cam {camera}].tif",
         {"wavelength_nm": 488, "milliseconds": 250, "camera": "A"}),
        ("t7/{x}.tif", "t{timepoint}/{{x}}.tif", {"timepoint": 7}),
        ("one.tif", "{any}.tif", {}),
        ("a (2) of {3}.tif", "a (2) of {{3}}.tif", {}),
        ("aXb.tif", "{any}X{any}.tif", {}),
        ("t3_c1_t3.tif", "t{timepoint}_c{channel}_t{timepoint}.tif", {"timepoint": 3, "channel": 1}),
        ("CH12tail.tif", "CH{channel}{any}.tif", {"channel": 12}),
        ("img_00004_z0017.tif", "img_{timepoint}_z{plane}.tif", {"timepoint": 4, "plane": 17}),
        ("a_02.tif", "{prefix}_{part}.tif", {"prefix": "a", "part": 2}),
        ("left_GFP.tif", "{view}_{channel}.tif", {"view": "left", "channel": "GFP"}),
        ("007_GFP.tif", "{view}_{channel}.tif", {"view": 7, "channel": "GFP"}),
        ("Pos0/img_000000003_GFP_012.tif", "Pos{position}/img_{timepoint}_{channel}_{plane}.tif",
         {"position": 0, "timepoint": 3, "channel": "GFP", "plane": 12}),
        ("left eye/[488] 0.5%/t1.tif", "{position}/[{wavelength}] {any}/t{timepoint}.tif",
         {"position": "left eye", "wavelength_nm": 488, "timepoint": 1}),
        ("a/a_1.tif", "{prefix}/{prefix}_{timepoint}.tif", {"prefix": "a", "timepoint": 1}),
    ],
)  # fmt: skip
def test_template_reads_its_fields(name, pattern, fields):
    assert parse_name(name, pattern) == fields


@pytest.mark.parametrize("field", ["any", "prefix", "camera", "channel", "view", "position"])
def test_free_text_ends_at_a_folder(field):
    with pytest.raises(InputError, match="does not fit"):
        parse_name("a/b_1.tif", f"{{{field}}}_{{timepoint}}.tif")


@pytest.mark.parametrize(
    ("pattern", "folders"),
    [("lattice", 0), ("smartspim", 3), ("{timepoint}.tif", 0), ("{any}/{{a}}/{timepoint}.tif", 2)],
)
def test_depth_is_the_number_of_folders(pattern, folders):
    assert count_folders(pattern) == folders


def test_depth_of_a_wrong_pattern_is_refused():
    with pytest.raises(InputError, match="no field"):
        count_folders("a/{tme}.tif")


def test_repeated_field_must_have_the_same_text():
    with pytest.raises(InputError, match="does not fit"):
        parse_name("t3_c1_t4.tif", "t{timepoint}_c{channel}_t{timepoint}.tif")


# "/" may stand in a template but in no field.
words = st.text(string.ascii_letters + string.digits + " -[]().+", min_size=1, max_size=8)
counts = st.integers(0, 10**6)
VALUES = {
    "prefix": words,
    "camera": words,
    "channel": words.filter(lambda text: not text.isdigit()) | counts,
    "wavelength": counts,
    "timepoint": counts,
    "milliseconds": counts,
    "plane": counts,
    "part": counts,
    "view": words.filter(lambda text: not text.isdigit()) | counts,
    "position": words.filter(lambda text: not text.isdigit()) | counts,
    **dict.fromkeys("xyz", st.integers(-999, 999)),
}


@given(st.data())
def test_name_written_from_a_template_is_read_back(data):
    names = data.draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=8, unique=True))
    values = {name: data.draw(VALUES[name], label=name) for name in names}
    # "_" separates and occurs in no value, so that there is one way only to read the name.
    literals = [data.draw(words.map("{}_".format) | words.map("{}/_".format)) for _ in names]
    pieces = [f"_{text}{{{name}}}" for text, name in zip(literals, names, strict=True)]
    template = "".join(pieces) + "_.tif"
    read = parse_name(template.format(**values), template)
    expected = {"wavelength_nm" if name == "wavelength" else name: value for name, value in values.items()}
    assert read == expected
    assert count_folders(template) == template.format(**values).count("/")
