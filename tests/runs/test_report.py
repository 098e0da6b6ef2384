"""Snakemake's own report of a finished run, which holds ours."""

import zipfile

import pytest

from tests.support.project import CHANNELS, Project

pytestmark = pytest.mark.workflow


def test_snakemakes_report_holds_the_page_the_psfs_and_the_inventory(project: Project) -> None:
    project.succeed("--report", "report.zip")
    with zipfile.ZipFile(project.folder / "report.zip") as report:
        held = {name.rsplit("/", 1)[1]: name for name in report.namelist()}
        assert report.read(held["inventory.csv"]) == (project.results / "inventory.csv").read_bytes()
        for channel in CHANNELS:
            assert report.read(held[f"{channel}.png"]) == (project.results / "psf" / f"{channel}.png").read_bytes()
        pages = [report.read(name).decode() for name in report.namelist() if name.endswith("report.html")]
    text = (project.results / "report.html").read_text()
    assert text in pages
    (overview,) = (page for page in pages if page != text)
    for words in ("Results", "PSFs used", "Acquisition", "Deconvolution of small", f"The PSF used for {CHANNELS[0]}"):
        assert words in overview
    for title in ("Light kept", "Residual", "Resolution and focus", "Bleaching"):
        assert f"<h3>{title}" in text, "the statistics of a real run have it"
