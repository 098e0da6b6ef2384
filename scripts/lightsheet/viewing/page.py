"""Renders the HTML pages, the report and the pilot's: one file each, which needs no network."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lightsheet.system import format_duration, format_size, write_text
from lightsheet.viewing.measures import format_measure, format_moment


def write_page(path: Path, template: str, facts: Mapping[str, Any]) -> None:
    """Render one of the templates.

    Parameters
    ----------
    path : Path
        The HTML file, which appears whole or not at all.
    template : str
        Its file name in viewing/templates.
    facts : mapping
        What the template shows, by name; a name that is missing is an error.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": format_measure,
        "size": format_size,
        "duration": format_duration,
        "moment": format_moment,
    }
    write_text(path, environment.get_template(template).render(facts))
