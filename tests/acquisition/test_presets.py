"""The presets, against names that microscopes wrote and names written here."""

import pytest
from hypothesis import given, strategies as st

from lightsheet.acquisition.names import Fields, count_folders, name_channel, parse_name, suggest_preset
from lightsheet.acquisition.presets import PRESETS, explain_other_format
from lightsheet.system.errors import InputError
from tests.support.microscope_names import MORE, REFUSED, ROWS, SMARTSPIM_NAME, ULTRA, Case
from tests.support.reference_data import DATA

CASES = [*(case for row in ROWS.values() for case in row), *MORE, *REFUSED]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}-{case.pattern}")
def test_name_is_read_right_or_refused_with_the_reason(case: Case) -> None:
    if isinstance(case.expected, str):
        with pytest.raises(InputError, match=case.expected) as error:
            parse_name(case.name, case.pattern)
        assert case.name in str(error.value) or case.pattern in str(error.value)
    else:
        assert parse_name(case.name, case.pattern) == case.expected
        assert count_folders(case.pattern) == case.name.count("/")


def test_every_row_of_the_collection_has_its_cases() -> None:
    table = DATA / "filenames.tsv"
    if not table.exists():
        pytest.skip(f"no filenames.tsv in {DATA}")
    rows = [line.partition("\t")[0] for line in table.read_text(encoding="utf-8").splitlines()[1:]]
    assert set(rows) == set(ROWS)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_has_cases(preset: str) -> None:
    assert any(case.pattern == preset and isinstance(case.expected, dict) for case in CASES)


@pytest.mark.parametrize("case", [case for case in CASES if isinstance(case.expected, dict)], ids=lambda c: c.name)
def test_no_other_preset_is_suggested_for_a_presets_names(case: Case) -> None:
    if case.pattern in PRESETS:
        assert suggest_preset([case.name] * 3 + ["notes.tif"]) == (case.pattern, 3)


def test_suggestion_is_the_preset_that_reads_most() -> None:
    names = ["CH00_000000.tif", "CH00_000001.tif", "SPIMA_0.tif", "MAX_SPIMA_0.tif", "x.tif"]
    assert suggest_preset(names[:2] + names[3:]) == ("navigate", 2)
    assert suggest_preset(["x.tif", "LHA3.czi", f"MAX_{ULTRA}"])[1] == 0
    assert suggest_preset([])[1] == 0


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a/LHA3.CZI", "a/LHA3.CZI: is a Zeiss CZI file, not a TIFF; export it as TIFF"),
        ("x.ome.zarr.zip", "is a packed Zarr store, not a TIFF; unpack it"),
        ("x.klb", "Keller Lab Block"),
        ("x.dcimg", "HCImage"),
    ],
)
def test_other_format_says_what_to_do(name: str, says: str) -> None:
    assert says in (explain_other_format(name) or "")


@pytest.mark.parametrize("name", ["a.tif", "a.txt", "czi", "a.czi.tif", ULTRA])
def test_other_format_is_silent_on_the_rest(name: str) -> None:
    assert explain_other_format(name) is None


def test_views_and_filters_are_channels_of_their_own() -> None:
    names = {
        "A_Mag1x_Tile0_Ch488_Sh0_Rot-45.tiff": "Sh0-Rot-45_488nm",
        "SPC00_TM00000_ANG000_CM1_CHN00_PH0.tif": "ANG000_Cam1_ch0",
        "SPIMB_0.tif": "SPIMB",
        "TP0_Channel0_Illum0_Angle90.tif": "Angle90-Illum0_ch0",
        "a_UltraII_C00_UltraII Filter0001.ome.tif": "C00-UltraII-Filter0001",
        SMARTSPIM_NAME: "Em525_488nm",
    }
    assert {name: name_channel(parse_name(name, suggest_preset([name])[0])) for name in names} == names


count, padded = st.integers(0, 10**5), st.integers(1, 6)
prefix = st.none() | st.text("ab -_.[]()+0123456789", min_size=1, max_size=12)
suffix = st.sampled_from([".tif", ".tiff", ".btf", ".TIF"])
ome = st.sampled_from(["", ".ome"])


@st.composite
def number(draw: st.DrawFn, start: int = 0) -> tuple[str, int]:
    """Draw a number as a name writes it, with or without leading zeros, and its value."""
    value = draw(st.integers(start, 10**5))
    return str(value).zfill(draw(padded)), value


def joined(*parts: object) -> str:
    return "_".join(str(part) for part in parts if part is not None)


def written(**fields: object) -> Fields:
    return {field: value for field, value in fields.items() if value is not None}  # type: ignore[misc]


@given(prefix, number(), number(), st.sampled_from(["", "_FltEmpty", "_Flt525_50_(GFP)"]), count, st.data())
def test_mesospim_name_written_is_read_back(prefix, tile, laser, filter_name, side, data):
    turn = data.draw(st.integers(-360, 360) | st.decimals(-360, 360, places=5))
    name = f"{joined(prefix, 'Mag1.25x')}_Tile{tile[0]}_Ch{laser[0]}{filter_name}_Sh{side}_Rot{turn}.tiff"
    view = f"Sh{side}_Rot{turn}"
    assert parse_name(name, "mesospim") == written(prefix=prefix, position=tile[1], wavelength_nm=laser[1], view=view)


@given(prefix, number(), number(), number(), number(), st.booleans(), st.booleans(), suffix)
def test_ultramicroscope_name_written_is_read_back(prefix, x, y, channel, plane, tiled, by_plane, suffix):
    tile = f"[{x[0]} x {y[0]}]" if tiled else ""
    table = f"_xyz-Table Z{plane[0]}" if by_plane else ""
    name = f"{joined(prefix, 'UltraII')}{tile}_C{channel[0]}{table}.ome{suffix}"
    fields = written(prefix=prefix, channel=channel[1], plane=plane[1] if by_plane else None)
    assert parse_name(name, "ultramicroscope") == fields | ({"x": x[1], "y": y[1]} if tiled else {})


@given(prefix, number(), number(), ome, suffix)
def test_navigate_name_written_is_read_back(prefix, channel, timepoint, ome, suffix):
    name = f"{joined(prefix, f'CH{channel[0]}')}_{timepoint[0]}{ome}{suffix}"
    assert parse_name(name, "navigate") == written(prefix=prefix, channel=channel[1], timepoint=timepoint[1])


@given(*[number()] * 4, st.none() | number())
def test_simview_name_written_is_read_back(specimen, timepoint, camera, channel, plane):
    name = f"SPC{specimen[0]}_TM{timepoint[0]}_ANG090_CM{camera[0]}_CHN{channel[0]}_PH0"
    fields = parse_name(name + (f"_PLN{plane[0]}" if plane else "") + ".tif", "simview")
    assert fields == written(
        position=specimen[1],
        timepoint=timepoint[1],
        view="ANG090",
        camera=camera[0],
        channel=channel[1],
        plane=plane and plane[1],
    )


@given(*[st.none() | number()] * 4)
def test_micromanager_plane_written_is_read_back(channel, position, timepoint, plane):
    axes = {"channel": channel, "position": position, "time": timepoint, "z": plane}
    parts = [f"_{axis}{value[0]}" for axis, value in axes.items() if value]
    if parts:
        values = {"timepoint": timepoint, "channel": channel, "position": position, "plane": plane}
        fields = {field: value[1] for field, value in values.items() if value}
        assert parse_name(f"img{''.join(parts)}.tif", "micromanager") == fields


@given(number(), st.text("abXY -_.()+123", min_size=1, max_size=9).filter(lambda text: not text.isdigit()), number())
def test_older_micromanager_plane_written_is_read_back(timepoint, channel, plane):
    name = f"img_{timepoint[0]}_{channel}_{plane[0]}.tif"
    assert parse_name(name, "micromanager") == {"timepoint": timepoint[1], "channel": channel, "plane": plane[1]}


@given(prefix, number(), number(), number(), st.none() | st.integers(1, 99), st.integers(0, 4))
def test_micromanager_stack_written_is_read_back(prefix, position, x, y, part, kind):
    grid = written(position=position[1], x=x[1], y=y[1])
    label, fields = [
        (None, {}),
        (f"Pos{position[0]}", {"position": position[1]}),
        (f"{position[0]}-Pos{x[0]}_{y[0]}", grid),
        (f"{position[0]}-Pos_{x[0]}_{y[0]}", grid),
        (f"Pos-{position[0]}-{x[0]}_{y[0]}", grid),
    ][kind]
    name = joined(prefix, "MMStack", label, part) + ".ome.tif"
    assert parse_name(name, "micromanager") == written(prefix=prefix, part=part) | fields


@given(prefix, st.sampled_from(["SPIMA", "SPIMB"]), st.sampled_from("-_"), number())
def test_dispim_name_written_is_read_back(prefix, view, separator, timepoint):
    name = f"{joined(prefix, view)}{separator}{timepoint[0]}.tif"
    assert parse_name(name, "dispim") == written(prefix=prefix, view=view, timepoint=timepoint[1])


@given(prefix, number(), number(), number(), st.none() | number(), st.permutations([0, 1, 2]))
def test_zeiss_name_written_is_read_back(prefix, timepoint, angle, channel, side, order):
    view = joined(f"Angle{angle[0]}", f"Illum{side[0]}" if side else None)
    words = [f"Angle{angle[0]}", f"Channel{channel[0]}", f"Illum{side[0]}" if side else None]
    name = f"{joined(prefix, f'spim_TL{timepoint[0]}', *(words[index] for index in order))}.tif"
    assert parse_name(name, "zeiss") == written(prefix=prefix, timepoint=timepoint[1], channel=channel[1], view=view)


@given(count, count, st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6), number())
def test_smartspim_name_written_is_read_back(excitation, emission, x, y, plane):
    name = f"Ex_{excitation}_Em_{emission}/{x}/{x}_{y}/{plane[0]}.tiff"
    fields = {"channel": f"Em{emission}", "wavelength_nm": excitation, "x": x, "y": y, "plane": plane[1]}
    assert parse_name(name, "smartspim") == fields


@given(st.text("abXY -.()+123", min_size=1, max_size=9), number(), ome, suffix)
def test_plain_name_written_is_read_back(channel, timepoint, ome, suffix):
    value = int(channel) if channel.isdigit() else channel
    assert parse_name(f"{channel}_{timepoint[0]}{ome}{suffix}", "plain") == {
        "channel": value,
        "timepoint": timepoint[1],
    }
