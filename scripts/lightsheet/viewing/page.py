"""Renders the HTML pages, the report and the pilot's: one file each, which needs no network."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lightsheet.system import format_duration, format_size, write_text
from lightsheet.viewing.measures import format_measure, format_moment


def write_page(path: Path, template: str, facts: Mapping[str, Any]) -> None:
    """Render one of viewing/templates with `facts`, by name, into an HTML file that appears whole or not at all."""
    write_text(path, _make_environment().get_template(template).render(facts))


@cache
def _make_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = {"number": format_measure, "size": format_size, "duration": format_duration, "moment": format_moment}
    environment.filters |= filters
    return environment
