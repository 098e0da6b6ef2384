"""The page about a run: its facts, numbers, pictures and links."""

from pathlib import Path
from urllib.parse import unquote

import matplotlib.image
import numpy as np
import pytest
import yaml

from lightsheet.processing import write_choices
from lightsheet.store.paths import CONFIG_FILE, Results, VolumeKey
from lightsheet.system import files, read_json, write_json
from lightsheet.viewing import report
from tests.support.report_page import CITED, OTHER, Page, change, write
from tests.support.stored_run import CHANNELS, COMMIT, SPECIAL, make


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
    links = [attrs["href"] for attrs in page.attributes("a") if attrs.get("title") == "suspect"]
    assert [unquote(link)[-10:] for link in links] == ["t0000.json", "t0001.json", "t0001.json", "t0002.json"]


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
