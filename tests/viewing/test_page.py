"""The report in a browser; what is on the page, whatever shows it, is in test_report.py."""

from pathlib import Path

import pytest

from lightsheet.store.paths import VolumeKey
from lightsheet.system import read_json, write_json
from lightsheet.viewing import report
from tests.support import headless
from tests.support.stored_run import CHANNELS, SPECIAL, make

WIDTHS = (1280, 1100, 390)

CHECK = """(window, page) => {
  const all = selector => [...page.querySelectorAll(selector)];
  const shown = selector => all(selector).filter(element => element.getClientRects().length);
  const box = element => element.getBoundingClientRect();
  const slider = page.querySelector("input[type=range]"), result = () => shown(".plane img + img")[0];
  const before = {shown: shown(".compare figure").length, clip: window.getComputedStyle(result()).clipPath};
  slider.value = 80;
  slider.dispatchEvent(new window.Event("input"));
  const clip = window.getComputedStyle(result()).clipPath;
  const [first, second] = all(".compare")[0].querySelectorAll("figure");
  all(".compare")[0].querySelectorAll("label:not(.slide)")[1].click();
  const lane = page.querySelector(".lane svg"), bands = [...lane.querySelectorAll("rect")].map(box);
  const drawn = () => box(lane).width / page.body.clientWidth, narrow = drawn();
  const widen = page.querySelector(".widen input");
  widen.click();
  const widened = drawn();
  widen.click();
  const xy = box(shown(".plane")[0]), images = shown(".plane img").map(box);
  return {
    width: window.innerWidth, overflow: page.documentElement.scrollWidth - page.documentElement.clientWidth,
    before, clip, swapped: [first, second].map(figure => figure.getClientRects().length),
    broken: all("img").filter(image => !image.complete || !image.naturalWidth).length,
    loaded: window.performance.getEntriesByType("resource").filter(entry => !entry.name.startsWith("data:")).length,
    alone: images.every((image, at) => at % 2 || Math.abs(image.height - images[at + 1].height) < 1),
    scale: [xy.width / xy.height, box(shown(".plane span")[0]).width / xy.width],
    beyond: shown("body *").filter(e => !e.closest(".wide, svg, .plane") && box(e).right > window.innerWidth)
      .map(e => e.className || e.tagName),
    cut: shown(".wide").filter(e => e.scrollWidth > e.clientWidth).map(e => e.firstElementChild.className),
    first: box(page.querySelector(".note")).bottom < box(page.querySelector(".facts")).top,
    narrow, widened,
    bands: [bands.length, bands.reduce((sum, band) => sum + band.width, 0) / box(lane).width],
    colour: window.getComputedStyle(page.body).backgroundColor,
  };
}"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run with a hole, outliers and an odd name."""
    folder = tmp_path_factory.mktemp("results")
    results = make(folder, 20, seconds=[43.748 * t for t in range(20)], missing=[(SPECIAL, 3)])
    place = results.record(VolumeKey("result", SPECIAL, 8))
    record = read_json(place)
    assert record
    write_json(place, record | {"statistics": record["statistics"] | {"residual": 2.5, "sum": 400.0}})
    report.write_report(results, results.folder / "report.html")
    return results.folder / "report.html"


@pytest.mark.workflow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_the_page_whole_without_a_word_of_complaint(page: Path, scheme: str) -> None:
    flags = [f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}"]
    answers, console = headless.ask(page, WIDTHS, CHECK, *flags)
    assert console == []
    for width, answer in zip(WIDTHS, answers, strict=True):
        assert (answer["width"], answer["overflow"]) == (width, 0)
        assert (answer["broken"], answer["loaded"], answer["alone"]) == (0, 0, True)
        assert answer["before"] == {"shown": len(CHANNELS), "clip": "inset(0px 0px 0px 50%)"}
        assert answer["clip"] == "inset(0px 0px 0px 80%)", "the slider moves the line"
        assert answer["swapped"] == [0, 1], "a click on a timepoint shows that instead"
        assert answer["scale"] == [pytest.approx(30 / 40, abs=0.01), pytest.approx(1 / 3, abs=0.01)]
        assert answer["beyond"] == []
        assert answer["cut"] == (["many"] if width == 390 else []), "that one scrolls in its card"
        assert answer["first"], "the warning of the hole"
        assert answer["widened"] > 0.7 if width > 390 else answer["widened"] == answer["narrow"]
        assert answer["narrow"] < 0.5 if width > 390 else answer["narrow"] > 0.6
        assert answer["bands"] == [20, pytest.approx(1, abs=0.01)]
        assert (sum(map(int, answer["colour"][4:-1].split(","))) < 3 * 128) == (scheme == "dark")


@pytest.mark.workflow
def test_the_check_would_notice_what_a_page_complains_of(tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text("<script>console.error('bad')</script><p style='width: 5000px'>wide</p>")
    check = "(window, page) => page.documentElement.scrollWidth - window.innerWidth"
    answers, console = headless.ask(tmp_path / "bad.html", (390,), check)
    assert answers[0] > 4000
    assert len(console) == 1
