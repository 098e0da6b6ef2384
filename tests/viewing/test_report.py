import base64
import io
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import matplotlib.image
import numpy as np
import pytest
import yaml

from lightsheet.processing import write_choices
from lightsheet.store.paths import CONFIG_FILE, Results, VolumeKey
from lightsheet.system import files, read_json, write_json
from lightsheet.system.errors import InputError
from lightsheet.viewing import report
from tests.support.stored_run import CHANNELS, COMMIT, SPECIAL, make

OTHER = "CamB_ch1_560nm"
CITED = "https://doi.org/10.1038/s41592-019-0515-7"


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
            kind, data = attrs["src"].split(";base64,", 1)
            form = kind.removeprefix("data:image/")
            yield attrs, matplotlib.image.imread(io.BytesIO(base64.b64decode(data, validate=True)), format=form)

    def curves(self) -> list[list[list[float]]]:
        """Per curve, per unbroken segment, the numbers x, y, x, y ..."""
        paths = [attrs["d"] for attrs in self.attributes("path") if "curve" in attrs["class"]]
        return [[[float(n) for n in segment.split()] for segment in path.split("M")[1:]] for path in paths]

    def links(self) -> list[str]:
        return [unquote(attrs["href"]) for attrs in self.attributes("a") if not attrs["href"].startswith("#")]


def write(results: Results) -> Page:
    report.write_report(results, results.folder / "report.html")
    return Page(results.folder / "report.html")


def change(results: Results, channel: str, timepoint: int, **statistics: Any) -> None:
    """Change the record of a deconvolved volume; what is None is left out."""
    place = results.record(VolumeKey("result", channel, timepoint))
    record = read_json(place)
    assert record
    changed = record["statistics"] | statistics
    write_json(place, record | {"statistics": {key: value for key, value in changed.items() if value is not None}})


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return make(tmp_path_factory.mktemp("results"), timepoints=2, seconds=[0, 43.748000000000005])


@pytest.fixture(scope="module")
def page(results: Results) -> Page:
    return write(results)


def test_the_page_needs_nothing_but_itself(page: Page) -> None:
    assert "url(" not in page.source
    assert "@import" not in page.source
    assert not {"script", "link", "iframe", "object", "embed", "base"} & {tag for tag, _ in page.tags}
    sources = [attrs[key] for _, attrs in page.tags for key in ("src", "srcset", "data", "poster") if key in attrs]
    assert all(source.startswith("data:image/") for source in sources)
    assert page.source.count("://") == 1, "the publication that is cited"
    assert CITED in page.links()


def test_links_are_relative_and_lead_to_what_is_there(results: Results, page: Page) -> None:
    links = [link for link in page.links() if link != CITED]
    assert {"inventory.csv", "ro-crate-metadata.json", CONFIG_FILE} <= set(links)
    assert {f"records/result/{c}/t{t:04d}.json" for c in CHANNELS for t in range(2)} <= set(links)
    assert all((results.folder / link).exists() for link in links)
    names = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    assert {attrs["href"][1:] for attrs in page.attributes("a") if attrs["href"].startswith("#")} <= names


def test_every_channel_shows_its_pictures_and_its_psf(results: Results, page: Page) -> None:
    images = [(attrs["alt"], attrs, image) for attrs, image in page.pictures()]
    assert len(images) == (2 * 2 * 3 + 1) * len(CHANNELS)  # two timepoints, raw and result, three planes; the PSF
    assert [alt for alt, _, _ in images[:3]] == [
        f"{kind}, maximum projection {plane}" for kind, plane in (("raw", "xy"), ("result", "xy"), ("raw", "yz"))
    ]
    assert all(image.shape[:2] == (int(a["height"]), int(a["width"])) for _, a, image in images if "width" in a)
    expected = matplotlib.image.imread(results.psf(SPECIAL, ".png"))
    np.testing.assert_array_equal(next(i for alt, _, i in images if alt == "Slices and profiles of the PSF"), expected)


def test_numbers_are_those_of_the_records(page: Page) -> None:
    rows = {(row[0], row[1]): row[2:] for row in page.rows if len(row) == 15 and row[0] in CHANNELS}
    assert len(rows) == 4
    for c, channel in enumerate(CHANNELS):
        for t in range(2):
            n = 1000 * c + t
            assert rows[channel, str(t)][:5] == ["0.50", "0.25", f"{n / 100 + 0.75:.2f}", "1.25", "20.0 kB"]
            assert rows[channel, str(t)][7:] == [
                *("90", f"{(990 + t) / 1000:.4f}"),
                *(f"{1234 + n:,}", f"{7 + n:,}"),
                *("0.5", f"{5000 + n:,}"),
            ]


def test_sums_are_those_of_all_volumes(results: Results, page: Page) -> None:
    rows = {row[0]: row[2:] for row in page.rows if len(row) == 8}
    assert rows["ingest"][:2] == ["2.0 s", "0.50 s"]
    assert rows["ingest"][2:4] == ["80.0 kB", "20.0 kB"]
    assert rows["deconvolve"] == ["23.0 s", "5.75 s", "", "", "", ""]  # 0.75, 0.76, 10.75, 10.76
    shards = sum(file.stat().st_size for file in (results.store / "0").rglob("c/**/*") if file.is_file())
    assert rows["write"][4] == f"{shards} bytes"
    hosts = [row for row in page.rows if row[0].startswith("node")]
    assert hosts == [["node0", "2", "2", "15.5 s", "none"], ["node1", "2", "2", "15.5 s", "101"]]


def test_the_head_says_what_the_run_holds(page: Page) -> None:
    text = " ".join(page.text.split())
    for fact in (
        "4 = 2 timepoints × 2 channels",
        "8 × 40 × 30 float32",
        "0.3 × 0.1 × 0.1 µm",
        "Time interval43.748 s 43.75 s in all On disk",
        "CamB_ch1_560nm 560 nm",
        "Outliersnone",
        "Missingnone",
        "z 0.712 µm, y 0.28 µm, x 0.27 µm",
        "9 × 7 × 5",
        "0.25 %",
    ):
        assert fact in text


def test_a_movie_that_mixes_versions_says_so(tmp_path: Path, page: Page) -> None:
    assert "A mixture" not in page.text
    results = make(tmp_path, timepoints=2)
    for t, version in enumerate(("14.1", "14.2")):
        path = results.record(VolumeKey("result", OTHER, t))
        write_json(path, {**read_json(path), "engine": f"gpu 2 (cupy {version})"})
    report.write_report(results, tmp_path / "report.html")
    assert "1 by gpu 2 (cupy 14.1), 1 by gpu 2 (cupy 14.2)" in Page(tmp_path / "report.html").text


def test_settings_stand_once_or_per_channel(page: Page) -> None:
    rows = {row[0]: row[1] for row in page.rows if len(row) == 2}
    assert rows["iterations"] == "12"
    assert rows["engine"] == "<cpu>"
    assert rows["background"] == f"{SPECIAL}: 100CamB_ch1_560nm: auto: 90"


def test_the_provenance_is_told_in_words(results: Results, page: Page) -> None:
    text = " ".join(page.text.split())
    assert "Made from 2026-11-21 07:00:00 UTC to 2026-11-21 09:30:00 UTC by git commit" in text
    assert f"{COMMIT} of the workflow, with Python 3.11.2." in text
    assert f"lightsheet verify '{results.folder}' --volumes 2" in text
    assert f"lightsheet compare 'repeated/my run' '{results.folder}'" in text
    config = page.text[page.text.index("name: my run") :]
    assert yaml.safe_load(config.split("Files")[0]) == yaml.safe_load((results.folder / CONFIG_FILE).read_text())


def test_odd_names_are_text_and_not_markup(page: Page) -> None:
    assert page.text.count(SPECIAL) >= 3
    assert SPECIAL not in page.source
    assert not [attrs for attrs in page.attributes("i") if attrs.get("class") != "chip"]


def test_an_outlier_is_marked_listed_and_linked(tmp_path: Path) -> None:
    results = make(tmp_path, 7)
    change(results, SPECIAL, 1, sum=500.0, residual=0.75)
    change(results, OTHER, 4, residual=0.5)
    page = write(results)
    rows = [row for row in page.rows if row[-1:] and row[-1].startswith("record")]
    # The log of the first block of two timepoints is there, the other is not.
    assert [(row[0], row[1], row[3]) for row in rows] == [("1", SPECIAL, "record log"), ("4", OTHER, "record")]
    assert " ".join(rows[0][2].split()) == "Light kept 0.5 usually 0.993Residual 0.75 usually 0.25"
    assert page.links().count(f"records/result/{SPECIAL}/t0001.json") == 4  # two curves, both tables
    assert page.links().count(f"records/result/{OTHER}/t0004.json") == 3
    assert page.links().count("logs/deconvolve.t0000.log") == 1
    assert "Outliers2 of 14 volumes" in " ".join(page.text.split())
    assert "t 4" in [text.strip() for text in page.text.splitlines()], "it is among the pictures"
    marks = [attrs["d"].count("M") for attrs in page.attributes("path") if attrs["class"] == "marks"]
    assert sum(marks) == 3


def test_curves_are_broken_where_volumes_are_missing_or_dark(tmp_path: Path) -> None:
    holes = [(SPECIAL, 2), (SPECIAL, 4), *((OTHER, t) for t in (0, 1, 2, 4, 5))]
    results = make(tmp_path, 6, missing=holes)
    change(results, SPECIAL, 0, flux_before=0.0, sum=0.0)
    page = write(results)
    flux, of_one_volume, residual, *_ = page.curves()
    assert [segment[::2] for segment in flux] == [[20], [60], [100]]
    assert [segment[::2] for segment in of_one_volume] == [[60]]
    assert [segment[::2] for segment in residual] == [[0, 20], [60], [100]]
    assert "–" in [row[10] for row in page.rows if len(row) == 15], "of the dark volume"
    text = " ".join(page.text.split())
    assert "7 of 12 volumes are missing" in text
    assert f"{SPECIAL} timepoints 2, 4; {OTHER} timepoints 0–2, 4–5." in text
    assert "not known" in page.text


@pytest.mark.slow
def test_curves_and_tooltips_show_the_values(tmp_path: Path) -> None:
    page = write(make(tmp_path, 3, seconds=[0, 60, 120]))
    first = next(curve for curve in page.curves())[0]
    # 0.990, 0.991, 0.992: evenly apart and rising, which is downwards in numbers.
    assert first[::2] == [0, 50, 100]
    assert first[1] - first[3] == pytest.approx(first[3] - first[5], abs=0.02)
    assert first[1] > first[5]
    assert f"{SPECIAL}\ntimepoint 1, 60 s\n0.991" in page.text
    assert f"{OTHER}\ntimepoint 2, 2 min\nraw 0.402 µm, result 0.25 µm" in page.text
    assert f"{SPECIAL}\ntimepoint 0, 0 s\n12.85 %" in page.text  # 1234 of 9600 voxels
    assert "0 in every volume." in page.text, "none is saturated"


def test_one_timepoint_has_no_interval_and_one_volume_is_missing(tmp_path: Path) -> None:
    text = " ".join(write(make(tmp_path, 1, missing=[(OTHER, 0)])).text.split())
    assert "2 = 1 timepoint × 2 channels" in text
    assert "Time interval" not in text
    assert "Over time" not in text
    assert (
        f"1 of 2 volumes is missing from the files, and a hole in the stores (NaN, or 0 in whole numbers): {OTHER}"
        in text
    )


def test_one_timepoint_is_a_table_of_values_and_no_chart(tmp_path: Path) -> None:
    results = make(tmp_path, 1)
    change(results, OTHER, 0, residual=None)
    page = write(results)
    assert not page.attributes("svg")
    rows = {row[0].split(".")[0]: row[1:] for row in page.rows if len(row) == 3}
    assert [rows[start] for start in rows if start.startswith("Residual")] == [["0.25", "–"]]
    (resolution,) = [cells for start, cells in rows.items() if start.startswith("Resolution")]
    assert resolution == ["raw 0.4 µmresult 0.25 µm"] * 2
    assert not [start for start in rows if start.startswith("Bleaching")], "there is nothing to compare with"


def test_warnings_stand_before_the_facts(tmp_path: Path) -> None:
    results = make(tmp_path, 7, missing=[(OTHER, 6)])
    change(results, SPECIAL, 1, residual=0.75)
    change(results, SPECIAL, 2, flux_before=0.0)
    for t in range(2):
        path = results.record(VolumeKey("result", OTHER, t))
        write_json(path, {**read_json(path), "engine": f"gpu 2 (cupy 14.{t})"})
    page = write(results)
    text = " ".join(page.text.split())
    facts = text.index("Shape of a volume")
    for warning in ("volumes is suspect", "A mixture.", "1 of 14 volumes is missing", "of 14 volumes are outliers"):
        assert 0 <= text.find(warning) < facts, warning
    hrefs = [attrs["href"] for attrs in page.attributes("a")]
    assert hrefs.count("#outliers") == 4  # the menu, the warning, the fact, the chapter about the curves


def test_auto_settings_tell_what_was_found(tmp_path: Path) -> None:
    results = make(tmp_path, 2)
    for channel, t, iterations in ((SPECIAL, 0, 60), (SPECIAL, 1, 75), (OTHER, 0, 80), (OTHER, 1, 80)):
        change(results, channel, t, iterations=iterations)
        record = read_json(results.record(VolumeKey("result", channel, t)))
        assert record
        record["settings"]["iterations"] = "auto"
        write_json(results.record(VolumeKey("result", channel, t)), record)
    rows = {row[0]: row[1] for row in write(results).rows if len(row) == 2}
    assert rows["iterations"] == f"{SPECIAL}: auto: 60 to 75{OTHER}: auto: 80"


@pytest.mark.slow
def test_irregular_time_is_said_and_drawn(tmp_path: Path) -> None:
    page = write(make(tmp_path, 4, seconds=[0, 43.7, 87.5, 531.2]))
    text = " ".join(page.text.split())
    assert "Time interval43.8 s median; time is irregular: 43.7 to 443.7 s" in text
    assert page.curves()[0][0][::2] == [0, 8.23, 16.47, 100]


@pytest.mark.slow
def test_records_of_an_earlier_version_still_give_a_page(tmp_path: Path) -> None:
    results = make(tmp_path, 2)
    for channel in CHANNELS:
        for t in range(2):
            change(results, channel, t, residual=None, resolution_voxels=None, saturated_voxels=None)
            raw = read_json(results.record(VolumeKey("raw", channel, t)))
            assert raw
            del raw["sources"], raw["host"], raw["slurm_job"]
            write_json(results.record(VolumeKey("raw", channel, t)), raw | {"seconds": {"read": 1.0, "write": 2.0}})
    files.write_json(results.crate, {})
    (results.folder / CONFIG_FILE).unlink()
    page = write(results)
    assert page.text.count("or the version that made them did not record it") == 3
    assert "an unknown commit" in page.text
    assert "3.00" in [row[2] for row in page.rows if len(row) == 15]


@pytest.mark.slow
def test_a_long_run_has_few_pictures_and_collapsed_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "OPEN_ROWS", 13)
    page = write(make(tmp_path, 7))
    assert len(page.attributes("img")) == (5 * 2 * 3 + 1) * len(CHANNELS)
    assert [("open" in attrs) for attrs in page.attributes("details")] == [False]


def test_what_is_missing_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.ome\.zarr is not there: run"):
        report.write_report(Results(tmp_path / "none"), tmp_path / "report.html")
    results = make(tmp_path, timepoints=1)
    results.record(VolumeKey("raw", SPECIAL, 0)).unlink()
    with pytest.raises(InputError, match="timepoint 0 is not done; run the same command again"):
        report.write_report(results, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_files_that_were_left_out_are_told(tmp_path: Path) -> None:
    results = make(tmp_path, timepoints=1)
    report.write_report(results, tmp_path / "before.html")
    assert "Left out" not in Page(tmp_path / "before.html").text
    excluded = [["<a>.tif", "<a>.tif: looks derived"], *([f"{i}.tif", "b"] for i in range(50))]
    write_json(results.files, {"names": [], "waiting": [], "excluded": excluded})
    report.write_report(results, tmp_path / "after.html")
    text = Page(tmp_path / "after.html").text
    assert "51 TIFFs of the input folder" in text
    assert "<a>.tif: looks derived" in text
    assert "and 11 more" in text


def test_what_is_suspect_by_itself_is_marked(tmp_path: Path, page: Page) -> None:
    assert "Suspectnone" in " ".join(page.text.split())
    results = make(tmp_path, 3)
    change(results, SPECIAL, 1, flux_before=0.0)
    for t in range(3):
        change(results, OTHER, t, negative_voxels=9590)
    place = results.psf(SPECIAL, ".json")
    size = {"z": 0.1, "y": 0.1, "x": 100}
    write_json(place, read_json(place) | {"inputs": {"settings": {"psf_voxel_size": size}}})
    page = write(results)
    text = " ".join(page.text.split())
    assert "Suspect4 of 6 volumes" in text
    assert f"{SPECIAL}: 1 of 3 volumes is suspect (timepoint 1): no voxel of the image is brighter than" in text
    assert f"{OTHER}: every volume is suspect (3): 99.9 % of the image's voxels lie below the background of 90" in text
    assert "Suspect: psf.voxel_size.x is 100 um" in text
    marked = [attrs["href"] for attrs in page.attributes("a") if attrs.get("title") == "suspect"]
    assert [unquote(link)[-10:] for link in marked] == ["t0000.json", "t0001.json", "t0001.json", "t0002.json"]


def test_a_psf_that_does_not_belong_to_the_volumes_is_marked(tmp_path: Path) -> None:
    results = make(tmp_path, 2)
    place = results.psf(OTHER, ".json")
    damage = [{"kind": "dim", "value": 3, "text": "dim: its peak is low"}]
    write_json(place, read_json(place) | {"fwhm_um": {"z": 0.7, "y": 9.0, "x": 0.3}, "warnings": damage})
    text = " ".join(write(results).text.split())
    assert f"{OTHER}: every volume is suspect (2): its PSF is 9 um wide along y" in text
    assert "and the volume only 4 um" in text
    assert f"{OTHER}: its PSF: dim: its peak is low." in text


def test_what_was_chosen_from_the_data_is_told(tmp_path: Path, page: Page) -> None:
    assert "Chosen from the data" not in page.text, "an earlier version chose nothing"
    results = make(tmp_path, 2)
    levels = {"timepoints": {"0": 90.25, "1": 90, "2": 180}, "dark": [0, 1]}
    background = {"value": 90, "problem": "", "warning": "it drifts", **levels}
    trials = {"iterations": {"value": 12, "timepoints": {"0": 11, "2": 16}}, "scale": {"value": 60, "timepoints": {}}}
    fill = {"values": [0, 100], "rim": 1, "share": 0.25, "doubtful": []}
    sampled = {"background": background, "fill": fill}
    choice = {"basis": {}, "timepoints": [0, 1, 2], "tiles": {}, **sampled, **trials}
    steady = {"value": 101.5, "problem": "", "warning": "", "timepoints": {"0": 101.5}, "dark": [0]}
    doubtful = {"values": [], "rim": 0, "share": 0, "doubtful": [[0, 0.4]]}
    odd = {"basis": {}, "timepoints": [0], "tiles": {}, "background": steady, "fill": doubtful}
    write_choices(results, {SPECIAL: choice, OTHER: odd})
    page = write(results)
    assert f"{SPECIAL}: its images: it drifts." in " ".join(page.text.split())
    rows = [row for row in page.rows if row[0] in ("background", "fill", "iterations", "scale")]
    assert [row for row in rows if "counts" in row[1] or "voxels" in row[1] or "tried" in row[1]] == [
        ["background", "90 counts 90 to 90.25 in 2 of 3 sampled timepoints"],
        ["fill", "0 or 100 25 % of the voxels were never measured"],
        ["iterations", "12 11 to 16 in 2 tried timepoints"],
        ["background", "90 counts as configured; the images show 101.5: 101.5 in 1 sampled timepoint"],
        ["fill", "none 40 % of the voxels are exactly 0: taken for darkness"],
    ]
    assert ["scale", "60"] not in rows, "nothing was made with it"


def test_what_bounded_the_rate_is_one_line(page: Page, tmp_path: Path) -> None:
    assert "bound" not in page.text, "records of earlier versions do not say"
    shared = make(tmp_path, timepoints=1)
    for channel, seconds in zip(CHANNELS, (2.0, 4.0), strict=True):
        place = shared.record(VolumeKey("result", channel, 0))
        share = {"seconds": seconds, "cores": 8, "core_seconds": 4 * seconds, "gpu_seconds": 0.9 * seconds}
        write_json(place, {**(read_json(place) or {}), "share": share})
    text = write(shared).text
    assert (
        "On average a worker does a volume in 3 s, of which its GPU computes 90% and its 8 cores work 50%: "
        "the GPU bounds the rate."
    ) in text


def test_a_lossy_result_says_so_and_by_how_much(tmp_path: Path) -> None:
    results = make(tmp_path, 2)
    report.write_report(results, results.report)
    assert "Lossy." not in Page(results.report).text
    trial = {"value": 6, "timepoints": {"0": {"noise": 0.04}, "1": {"noise": 0.05}}}
    write_choices(results, {OTHER: {"basis": {}, "background": None, "precision": trial}})
    for t, error in enumerate((0.0031, 0.0033)):
        path = results.record(VolumeKey("result", OTHER, t))
        record = read_json(path)
        statistics = {**record["statistics"], "rounding_error": error, "rounding_to_noise": error / 0.04}
        write_json(path, {**record, "statistics": statistics, "settings": {**record["settings"], "precision": 6}})
    report.write_report(results, results.report)
    page = Page(results.report)
    assert (
        f"Lossy. To take less room, results were rounded where they were stored: {OTHER}: by 0.33 % (relative L2), "
        in (page.text)
    )
    assert "8.25 % of their noise, at most." in page.text
    assert ["precision", "6 bits of mantissa noise of 4 % to 5 % in 2 tried timepoints"] in page.rows
