"""Files of many pages, and whether their axes are found."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from lightsheet.acquisition.hyperstack import unfold_hyperstack
from lightsheet.system.errors import InputError
from tests.support.hyperstacks import acquired, assert_unfolded


def assert_right(path: Path, image: np.ndarray, axes: str = "TCZYX") -> None:
    assert_unfolded(unfold_hyperstack(acquired([[path]])), image, axes)


def refusal(path: Path) -> str:
    acquisition = acquired([[path]])
    with pytest.raises(InputError, match=r"set input.axes: ZYX if its pages are the planes of one volume") as error:
        unfold_hyperstack(acquisition)
    assert unfold_hyperstack(acquisition, "ZYX") is acquisition  # as it advises
    return str(error.value)


def write_pages(
    path: Path, image: np.ndarray, describe: Callable[[int], object], code: int = 51123, first: str | None = None
) -> Path:
    """Write pages with a text each: in Micro-Manager's tag, or as its description (270)."""
    with tifffile.TiffWriter(path) as file:
        for index, page in enumerate(image.reshape(-1, *image.shape[-2:])):
            text = described if isinstance(described := describe(index), str) else json.dumps(described)
            tags = [] if code == 270 else [(code, "s", None, text, True)]
            described = text if code == 270 else None if index else first
            file.write(page, contiguous=False, metadata=None, description=described, extratags=tags)
    return path
