"""The page about a run as a browser would see it, and changes of the records that it is made from."""

import base64
import io
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import matplotlib.image
import numpy as np

from lightsheet.store.paths import Results, VolumeKey
from lightsheet.system import read_json, write_json
from lightsheet.viewing import report

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
