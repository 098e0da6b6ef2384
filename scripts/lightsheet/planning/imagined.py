"""An acquisition that is not there, as a run of it would be: sizes and names, no pixels."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from lightsheet.acquisition import Acquisition, Volume
from lightsheet.run import Run, check_config


def imagine_run(
    folder: Path,
    channels: int,
    timepoints: int,
    shape: Sequence[int],
    dtype: str,
    psf_shape: Sequence[int],
    asked: Mapping[str, Any],
) -> Run:
    """Make the run of an acquisition of which only the sizes are known.

    Parameters
    ----------
    folder : Path
        An empty one, in which a PSF of that shape, without light, stands for the measured ones.
    channels, timepoints : int
        How many.
    shape, psf_shape : sequence of int
        (z, y, x) of a volume and of a PSF file.
    dtype : str
        Of the volumes.
    asked : mapping
        The rest of a configuration.

    Raises
    ------
    InputError
        If a value cannot be used.
    """
    names, path = tuple(f"channel{number}" for number in range(channels)), folder / "psf.tif"
    tifffile.imwrite(path, np.zeros(psf_shape, np.uint16))
    own = {"name": "imagined", "input": {"folder": str(folder)}}
    psf = {**asked["psf"], "files": dict.fromkeys(names, str(path))}
    checked = check_config({**asked, **own, "psf": psf, "output": {**asked["output"], "folder": str(folder)}})
    volumes = tuple(Volume(channel, t, None, ()) for t in range(timepoints) for channel in names)
    found = Acquisition(folder, names, dict.fromkeys(names), timepoints, (1, 1, 1), None, volumes, (), ())
    z, y, x = shape
    return Run(checked, found, (z, y, x), np.dtype(dtype).name)
