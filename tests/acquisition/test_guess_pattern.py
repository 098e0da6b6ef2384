"""Templates that are guessed from names: what they mean, and that no guess reads a name otherwise than it says."""

import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, strategies as st

from lightsheet.acquisition import discover, guess_pattern, parse_name
from lightsheet.system import InputError
from tests.support import examples

GFP_RFP = ("GFP", "mCherry2")


def names(template: str, **values: object) -> list[str]:
    """Fill in all combinations."""
    lists = {key: value if isinstance(value, tuple | range) else (value,) for key, value in values.items()}
    return [template.format(**dict(zip(lists, row, strict=True))) for row in product(*lists.values())]


@pytest.mark.parametrize(
    ("files", "pattern"),
    [
        (["Anna 1.tif", "Anna 2.tif"], "Anna {position}.tif"),
        (["emb7.tif", "emb12.tif"], "emb{position}.tif"),
        (["run1_GFP.tif", "run1_RFP.tif", "run2_GFP.tif", "run2_RFP.tif"], "run{position}_{channel}.tif"),
        (["movie_t1.tif", "movie_t2.tif"], "movie_t{timepoint}.tif"),
        (["movie_0001.tif", "movie_0002.tif"], "movie_{timepoint}.tif"),
        (["Anna_3_07.tif", "Anna_4_07.tif"], "Anna_{position}_07.tif"),
    ],
)
def test_files_that_hold_movies_are_not_taken_for_timepoints_of_one(files: list[str], pattern: str) -> None:
    guess = guess_pattern(files, is_plane=False, is_movie=True)
    assert guess
    assert guess.pattern == pattern


@pytest.mark.parametrize(
    ("files", "is_plane", "pattern"),
    [
        (names("embryo_t{t:03}_{c}.tif", t=range(12), c=GFP_RFP), False, "embryo_t{timepoint}_{channel}.tif"),
        (names("{c}_t{t}.tif", t=range(3), c=("GFP", "GFP-nls")), False, "{channel}_t{timepoint}.tif"),
        (names("img{z:04}.tif", z=range(9)), True, "img{plane}.tif"),
        (names("img{z:04}.tif", z=range(9)), False, "img{timepoint}.tif"),
        (names("frame{z}.tif", z=range(9)), True, "frame{plane}.tif"),
        (names("e1_{t}_{z:04}.tif", t=range(3), z=range(7)), True, "e1_{timepoint}_{plane}.tif"),
        (names("exp w{c} t{t}.TIF", c=(1, 2), t=range(1, 4)), False, "exp w{channel} t{timepoint}.TIF"),
        (
            names("e_s{s}_w{c}_t{t}.tif", s=(1, 2), c=(1, 2), t=(1, 2)),
            False,
            "e_s{position}_w{channel}_t{timepoint}.tif",
        ),
        (
            names("{c}/t{t}/z{z}.tif", c=(488, 561), t=range(3), z=range(4)),
            True,
            "{wavelength}/t{timepoint}/z{plane}.tif",
        ),
        (names("{c}_{t}.tif", c=(405, 488, 561), t=range(3)), False, "{wavelength}_{timepoint}.tif"),
        (names("{c}nm_Time {t}.ome.tif", c=(405, 488), t=range(3)), False, "{wavelength}nm_Time {timepoint}.ome.tif"),
        (names("{c}{t:03}.tif", c=("GFP", "RFP"), t=range(3)), False, "{channel}{timepoint}.tif"),
        (names("t{t}_x{x}_y{y}.tif", t=(0, 1), x=(0, 1), y=(0, 1)), False, "t{timepoint}_x{x}_y{y}.tif"),
        (names("Cam{a}_{t}.tif", a=("Left", "Right"), t=(0, 1)), False, "{camera}_{timepoint}.tif"),
        ([f"f_{t:02}_{t * 500:06}msec.tif" for t in range(4)], False, "f_{timepoint}_{milliseconds}msec.tif"),
        ([f"f_{t:02}_{t * 7 + 3}.tif" for t in range(4)], False, "f_{timepoint}_{any}.tif"),
        (names("{c}_t{t}.ome.zarr", t=range(3), c=GFP_RFP), False, "{channel}_t{timepoint}.ome.zarr"),
        (names("well {w}_t{t}.tif", w=("A1", "B12"), t=(0, 1)), False, "well {position}_t{timepoint}.tif"),
        (["embryo A.tif", "embryo B.tif"], False, "embryo {position}.tif"),
        (["movie.tif"], False, "movie.tif"),
        (names("{t:03}_{z:03}_{c}.tif", t=range(6), z=range(9), c=(0, 1)), True, "{timepoint}_{plane}_{channel}.tif"),
        (names("{c}_{t:03}_{z:03}.tif", t=range(2), z=range(9), c=(0, 1)), True, "{channel}_{timepoint}_{plane}.tif"),
        (names("{t}_{z}.tif", t=range(2), z=range(3)), True, "{timepoint}_{plane}.tif"),
        (
            names("2024-03-12_embryo_{c}_t{t}_slice{z}.tif", c=(488, 561), t=range(3), z=range(4)),
            True,
            "2024-03-12_embryo_{wavelength}_t{timepoint}_slice{plane}.tif",
        ),
        (
            names("fish{f}_{c}_t{t}.tif", f=(2, 3), c=(488, 561), t=(0, 1)),
            False,
            "fish{position}_{wavelength}_t{timepoint}.tif",
        ),
        (names("cell{f}_t{t}.tif", f=(400, 401), t=(0, 1)), False, "cell{position}_t{timepoint}.tif"),
        (names("Pos{f}_t{t}.tif", f=(400, 450), t=(0, 1)), False, "Pos{position}_t{timepoint}.tif"),
        (names("a_C{c}_T{t}.tif", c=(405, 640), t=(0, 1)), False, "a_C{channel}_T{timepoint}.tif"),
        (names("T{t}_P{z:03}_{c}.tif", t=range(3), z=range(9), c=GFP_RFP), True, "T{timepoint}_P{plane}_{channel}.tif"),
        (names("T{t}_P{p}_Z{z}.tif", t=(0, 1), p=(0, 1), z=(0, 1)), True, "T{timepoint}_P{position}_Z{plane}.tif"),
        (names("T{t}_P{p}.tif", t=(0, 1), p=(0, 1)), False, "T{timepoint}_P{position}.tif"),
        (["movie_t003_ch1.ome.tif"], False, "movie_t{timepoint}_ch{channel}.ome.tif"),
        (["été_α_t01.tif", "été_α_t02.tif"], False, "été_α_t{timepoint}.tif"),
    ],
)
def test_what_varies_is_told_by_its_label_or_its_place(files: list[str], is_plane: bool, pattern: str) -> None:
    guess = guess_pattern(files, is_plane=is_plane)
    assert guess is not None
    assert (guess.pattern, guess.readable) == (pattern, len(files))


@pytest.mark.parametrize(
    ("files", "is_plane"),
    [
        (names("exp_z{z}.tif", z=range(5)), False),  # several pages beside planes: what are they?
        (["a.tif", "b.tif"], True),  # single planes, and no number of a plane
        ([f"word{'x' * n}.tif" for n in range(30)], False),  # too many words for channels
        (names("{a}_{b}_{c}.tif", a=("p", "q"), b=("r", "s"), c=tuple("tuvw")), False),
    ],
)
def test_what_has_no_meaning_is_not_guessed(files: list[str], is_plane: bool) -> None:
    assert guess_pattern(files, is_plane=is_plane) is None


def test_what_no_label_explains_is_told() -> None:
    guess = guess_pattern(names("exp_{c}_{t}.tif", c=(1, 2), t=range(5)), is_plane=False)
    assert guess is not None
    assert [reason for reason in guess.reasons if "nothing in the names explains" in reason] == list(guess.reasons)
    assert any(reason.startswith("{channel} is the number, 1 to 2") for reason in guess.reasons)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (names("t{t}.tif", t=range(9)), "{plane} is the number at 't', 0 to 8 (single planes must have one)"),
        (
            names("T{t}_P{p}.tif", t=(0, 1), p=(0, 1)),
            "{plane} is the number at 'p', 0 to 1 (single planes must have one)",
        ),
        (
            names("embryo{c}_z{z}.tif", c=(488, 561), z=range(3)),
            "{wavelength} is the number at 'embryo', 488 to 561 (these may be wavelengths)",
        ),
    ],
)
def test_what_another_label_stands_at_is_told(files: list[str], reason: str) -> None:
    guess = guess_pattern(files, is_plane=True)
    assert guess is not None
    assert reason in guess.reasons


def test_files_that_a_guess_leaves_out_are_counted() -> None:
    guess = guess_pattern([*names("e_t{t}.tif", t=range(6)), "notes.tif", "e_overview_map.tif"], is_plane=False)
    assert guess is not None
    assert (guess.pattern, guess.readable) == ("e_t{timepoint}.tif", 6)


def test_words_behind_a_wavelength_are_no_part_of_its_number() -> None:
    parts = ["488"], ["GFP", "RFP", "exp1"], ["nls-b", "GFP"], ["GFP", "RFP"]
    guess = guess_pattern([f"{'_'.join(row)}.tif" for row in product(*parts)])
    assert guess is not None
    assert guess.pattern == "488_{channel}_nls-b_{view}.tif"


WORDS = st.sampled_from(
    ["GFP", "RFP", "cell", "exp1", "a", "left", "mCherry2", "nls-b", "488", "x", "t", "z", "Pos", "été"]
)
PARTS = st.one_of(
    WORDS.map(lambda word: [word]),
    st.lists(WORDS, min_size=2, max_size=3, unique=True),
    st.builds(
        lambda label, start, count, width: [f"{label}{n:0{width}}" for n in range(start, start + count)],
        st.sampled_from(["", "t", "T", "z", "ch", "w", "s", "Pos", "c", "x", "img"]),
        st.integers(0, 120),
        st.integers(1, 4),
        st.integers(1, 3),
    ),
)


@examples.take(5)
@given(
    parts=st.lists(PARTS, min_size=1, max_size=4),
    separator=st.sampled_from(["_", "-", " ", "/", "."]),
    extra=st.lists(st.sampled_from(["notes.tif", "a_b_c_d.tif", "t7.tif"]), max_size=2),
    is_plane=st.sampled_from([None, True, False]),
)
def test_a_guess_reads_what_it_claims_and_no_two_names_alike(
    parts: list[list[str]], separator: str, extra: list[str], is_plane: bool | None
) -> None:
    files = list(dict.fromkeys([*(f"{separator.join(row)}.tif" for row in product(*parts)), *extra]))
    if (guess := guess_pattern(files, is_plane=is_plane)) is None:
        return
    read = []
    for name in files:
        try:
            read.append(parse_name(name, guess.pattern))
        except InputError:
            continue
    assert len(read) >= guess.readable > 0
    if len(read) == guess.readable:
        assert len({repr(sorted(fields.items())) for fields in read}) == len(read)
    # A number of the names is a number of the field, and nothing that varies among these names was passed over.
    fields = set(re.findall(r"\{(\w+)\}", guess.pattern)) - {"any"}
    for field in fields & {"timepoint", "plane", "x", "y", "part"}:
        assert all(isinstance(values[field], int) for values in read)
    if is_plane:
        assert "plane" in fields
    if is_plane is False:
        assert "plane" not in fields


@pytest.mark.parametrize("pages", [1, 3])
def test_the_error_of_an_unfit_preset_proposes_a_guess(tmp_path: Path, pages: int) -> None:
    for t in range(3):
        tifffile.imwrite(tmp_path / f"e_{t:02}_a.tif", np.zeros((pages, 4, 4), np.uint8), photometric="minisblack")
    with pytest.raises(InputError) as error:
        discover(tmp_path)
    field = "plane" if pages == 1 else "timepoint"
    assert f'set input.pattern: "e_{{{field}}}_a.tif" is a guess that reads 3 of them (' in str(error.value)
    assert f"`lightsheet init {tmp_path}`" in str(error.value)
    discover(tmp_path, f"e_{{{field}}}_a.tif")
