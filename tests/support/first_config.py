"""First configurations as a person uses them: files to be configured, and TODO replaced."""

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import yaml

from lightsheet.planning.first_config import FirstConfig
from lightsheet.run import Run, list_open_keys, prepare_run

SHAPE = (3, 4, 5)


def write(path: Path, planes: int = SHAPE[0]) -> None:
    """Write a stack, or a plane, whose voxel size stands in the file as far as ImageJ writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.zeros((planes, *SHAPE[1:]), np.uint16)
    how: dict[str, Any] = {"spacing": 0.3, "unit": "um", "axes": "ZYX"}
    tifffile.imwrite(path, image, imagej=True, resolution=(10, 10), metadata=how)


def fill(config: dict[str, Any], values: dict[str, Any]) -> Any:
    """Replace TODO as a person would."""
    for key in list(list_open_keys(config)):
        *sections, last = key.split(".")
        section = config
        for name in sections:
            section = section[name]
        section[last] = values[key]
    return config


def use(first: FirstConfig, **values: Any) -> Run:
    """Prepare a run by the text that was written; what it leaves to be said, and nothing else, is in `values`."""
    config = yaml.safe_load(first.text)
    assert {*list_open_keys(config)} == {key.replace("__", ".") for key in values}
    assert len(first.open_keys) <= len(values)
    return prepare_run(fill(config, {key.replace("__", "."): value for key, value in values.items()}))
