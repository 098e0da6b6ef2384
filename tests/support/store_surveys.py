"""A movie in a store, and what is seen of it in its folder."""

from pathlib import Path
from typing import Any

import numpy as np

from lightsheet.acquisition import (
    discover,
    survey_volumes,
    unfold_stores,
)
from lightsheet.acquisition.store_survey import Survey
from lightsheet.sources import stat_source

MOVIE = np.random.default_rng(2).integers(1, 9000, (3, 2, 6, 20, 24), np.uint16)


def look(folder: Path, **options: Any) -> Survey:
    opened = unfold_stores(discover(folder))
    return survey_volumes(opened.acquisition, lambda piece: stat_source(*piece), fill_value=opened.fill, **options)
