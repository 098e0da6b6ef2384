import base64
import io
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import matplotlib.image
import numpy as np
import pytest

from lightsheet import records, report
from lightsheet.errors import InputError
from lightsheet.results import Results
from tests.stored_run import CHANNELS, ODD, make


class Page(HTMLParser):
    """What a browser would see: the tags, and the text of each table row."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source, self.tags, self.rows, self.text = path.read_text(encoding="utf-8"), [], [], ""
        self.cell = False
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        self.cell = tag in ("td", "th") or (self.cell and tag != "tr")
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self.cell = self.cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.cell:
            self.rows[-1][-1] += data

    def attributes(self, tag: str) -> list[dict[str, str]]:
        return [attrs for name, attrs in self.tags if name == tag]

    def pictures(self) -> Iterator[tuple[dict[str, str], np.ndarray]]:
        """Every embedded picture, decoded by matplotlib (Pillow), with its tag's attributes."""
        for attrs in self.attributes("img"):
            kind, data = attrs["src"].split(",", 1)
            assert kind == "data:image/png;base64"
            yield attrs, matplotlib.image.imread(io.BytesIO(base64.b64decode(data, validate=True)))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return make(tmp_path_factory.mktemp("results"), timepoints=2, seconds=[0, 43.748000000000005])


@pytest.fixture(scope="module")
def page(results: Results) -> Page:
    report.write(results, results.folder / "report.html")
    return Page(results.folder / "report.html")


def test_the_page_needs_nothing_but_itself(results: Results, page: Page) -> None:
    assert "://" not in page.source
    assert "url(" not in page.source
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    links = [attrs["href"] for attrs in page.attributes("a")]
    assert {"inventory.csv", "ro-crate-metadata.json"} <= set(links)
    assert len(links) == 3 + len(CHANNELS)
    assert all((results.folder / unquote(link)).exists() for link in links)


def test_pictures_are_the_projections_to_scale(results: Results, page: Page) -> None:
    seen = {attrs["alt"]: (attrs, image) for attrs, image in page.pictures()}
    assert len(list(page.pictures())) == 5 * len(CHANNELS)  # raw and deconvolved, xy and xz, and the PSF
    for caption in ("raw", "deconvolved"):
        # 8 planes of 0.3 um over pixels of 0.1 um are 24 rows; the bright voxel keeps its relative place.
        for plane, shape, place in (("xy", (40, 30), (30, 10)), ("xz", (24, 30), (7, 10))):
            attrs, image = seen[f"{caption}, maximum projection {plane}"]
            assert image.shape == shape == (int(attrs["height"]), int(attrs["width"]))
            assert tuple(np.argwhere(image == 1).mean(axis=0)) == place
            assert (image.max(), image.min()) == (1, 0)
    drawn = matplotlib.image.imread(results.psf(ODD, ".png"))
    np.testing.assert_array_equal(seen["Slices and profiles of the PSF"][1], drawn)


def test_the_scale_bar_has_the_length_that_it_says(page: Page) -> None:
    bars = re.findall(r'<span style="width: ([\d.]+)%">([\d.]+) µm</span>', page.source)
    assert len(bars) == 4 * len(CHANNELS)
    for percent, length in bars:
        assert float(length) == pytest.approx(30 * 0.1 * float(percent) / 100, rel=1e-4)  # rounded to 0.001 %


def test_numbers_are_those_of_the_records(page: Page) -> None:
    rows = {(row[0], row[1]): row[2:] for row in page.rows if len(row) == 12 and row[0] in CHANNELS}
    assert len(rows) == 4
    for c, channel in enumerate(CHANNELS):
        for t in range(2):
            n = 1000 * c + t
            assert rows[channel, str(t)] == [
                *("0.50", "0.25", f"{n + 0.75:.2f}", "1.25"),
                *("101.2", f"{(990 + t) / 1000:.4f}"),
                *(f"{12345 + n:,}", f"{7 + n:,}"),
                *("0.5", f"{5000 + n:,}"),
            ]


def test_the_head_says_what_the_run_holds(results: Results, page: Page) -> None:
    text = " ".join(page.text.split())
    for said in (
        "4 = 2 timepoints × 2 channels",
        "8 × 40 × 30 float32",
        "0.3 × 0.1 × 0.1 µm",
        "Time interval43.748 s On disk",
        "1, after 44 s",
        "CamB_ch1_560nm 560 nm",
        "z 0.712 µm, y 0.28 µm, x 0.27 µm",
        "9 × 7 × 5",
        "0.25 %",
    ):
        assert said in text
    on_disk = sum(file.stat().st_size for file in results.store.rglob("*") if file.is_file())
    assert f"{on_disk / 1000:.1f} kB deconvolved" in text


def test_settings_stand_once_or_per_channel(page: Page) -> None:
    rows = {row[0]: row[1] for row in page.rows if len(row) == 2}
    assert rows["iterations"] == "12"
    assert rows["engine"] == "<cpu>"
    assert rows["background"] == f"{ODD}: 100CamB_ch1_560nm: auto"


def test_odd_names_are_text_and_not_markup(page: Page) -> None:
    assert page.text.count(ODD) >= 3
    assert ODD not in page.source
    assert not [attrs for attrs in page.attributes("i") if attrs.get("class") != "chip"]


def curves(page: Page) -> list[list[list[float]]]:
    """Per curve, per unbroken segment, the numbers x, y, x, y ..."""
    drawn = [attrs["d"] for attrs in page.attributes("path") if attrs.get("stroke-width") == "1.5"]
    return [[[float(n) for n in segment.split()] for segment in path.split("M")[1:]] for path in drawn]


def test_curves_show_the_flux_and_leave_a_dark_volume_out(tmp_path: Path) -> None:
    results = make(tmp_path, timepoints=3)
    dark = records.read(results.record("result", ODD, 1))
    assert dark
    dark["statistics"] |= {"flux_before": 0.0, "sum": 0.0}
    records.write(results.record("result", ODD, 1), dark)
    report.write(results, tmp_path / "report.html")
    page = Page(tmp_path / "report.html")
    # Flux 0.990 and 0.992 between 0.98 (100) and 1.02 (0); the brightest voxel 5000 to 5002 of 5002.
    assert curves(page)[:2] == [[[0, 75], [100, 70]], [[0, 0.04, 50, 0.02, 100, 0]]]
    assert "–" in [row[7] for row in page.rows if len(row) == 12]
    assert "not known" in page.text
    assert "after" not in page.text


def test_irregular_time_is_said_and_drawn(tmp_path: Path) -> None:
    report.write(make(tmp_path, 4, seconds=[0, 43.7, 87.5, 531.2]), tmp_path / "report.html")
    page = Page(tmp_path / "report.html")
    text = " ".join(page.text.split())
    assert "Time interval43.8 s median; time is irregular: 43.7 to 443.7 s" in text
    assert "3, after 9 min" in text
    (line,) = curves(page)[0]
    assert line[::2] == [0, 8.23, 16.47, 100]


@pytest.mark.parametrize(
    ("seconds", "places", "after"),
    [
        ([0, 10, None, 30, 40], [0, 25, 50, 75, 100], "4, after 40 s"),
        ([None, 0, 10, 20.4, None], [0, 25, 49.51, 75, 100], None),  # 10.2 s before and after
        ([None, 0, None, None, None], [0, 25, 50, 75, 100], None),
    ],
)
def test_timepoints_of_unknown_time_stand_between_the_others(
    tmp_path: Path, seconds: list[float | None], places: list[float], after: str | None
) -> None:
    report.write(make(tmp_path, 5, seconds=seconds), tmp_path / "report.html")
    page = Page(tmp_path / "report.html")
    assert curves(page)[0][0][::2] == places
    assert "irregular" not in page.text
    assert after in page.text if after else "after" not in page.text


def test_a_curve_is_broken_where_volumes_are_missing(tmp_path: Path) -> None:
    holes = [(ODD, 2), (ODD, 4), *(("CamB_ch1_560nm", t) for t in (0, 1, 2, 4, 5))]
    report.write(make(tmp_path, 6, missing=holes), tmp_path / "report.html")
    page = Page(tmp_path / "report.html")
    flux, _, of_one_volume, _ = curves(page)
    assert [segment[::2] for segment in flux] == [[0, 20], [60], [100]]
    assert [segment[::2] for segment in of_one_volume] == [[60]]
    assert "7 of 12 volumes are missing" in page.text
    assert "Maximum projections of timepoint 3" in page.text


def test_a_lone_volume_is_drawn_as_a_dot_in_a_long_movie(tmp_path: Path) -> None:
    report.write(make(tmp_path, 41, missing=[(ODD, 1)]), tmp_path / "report.html")
    page = Page(tmp_path / "report.html")
    dots = [attrs["d"] for attrs in page.attributes("path") if attrs.get("stroke-width") == "6"]
    assert [dot.count("M") for dot in dots] == [1, 1, 0, 0]


def test_a_long_table_starts_collapsed(tmp_path: Path, page: Page) -> None:
    report.write(make(tmp_path, timepoints=21), tmp_path / "long.html")
    assert "open" in page.attributes("details")[0]
    assert "open" not in Page(tmp_path / "long.html").attributes("details")[0]


def test_what_is_missing_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.ome\.zarr is not there: run"):
        report.write(Results(tmp_path / "none"), tmp_path / "report.html")
    results = make(tmp_path, timepoints=1)
    results.record("raw", ODD, 0).unlink()
    with pytest.raises(InputError, match="timepoint 0 is not done; run the same command again"):
        report.write(results, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()
