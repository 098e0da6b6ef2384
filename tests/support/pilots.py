"""Runs with another configuration of their pilot."""

import dataclasses
from typing import Any

from lightsheet.run.run import Run

CHANNEL = "CamA_ch0_488nm"


def configure(run: Run, **settings: Any) -> Run:
    """Configure the pilot; one channel is enough here."""
    return dataclasses.replace(run, config={**run.config, "pilot": {**run.config["pilot"], **settings}})
