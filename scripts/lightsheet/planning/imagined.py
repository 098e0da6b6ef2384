"""A run of an acquisition of which only the sizes are known: names, no pixels."""

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
    config: Mapping[str, Any],
) -> Run:
    """Make a run to plan, of so many channels, timepoints, and voxels (z, y, x) of a volume and of a PSF file.

    In the empty `folder` a PSF without light stands for the measured ones; `config` is the rest of a configuration.
    A value that cannot be used raises InputError.
    """
    names, psf_file = tuple(f"channel{number}" for number in range(channels)), folder / "psf.tif"
    tifffile.imwrite(psf_file, np.zeros(psf_shape, np.uint16))
    config = {
        **config,
        "name": "imagined",
        "input": {"folder": str(folder)},
        "psf": {**config["psf"], "files": dict.fromkeys(names, str(psf_file))},
        "output": {**config["output"], "folder": str(folder)},
    }
    volumes = tuple(Volume(channel, t, None, ()) for t in range(timepoints) for channel in names)
    acquisition = Acquisition(folder, names, dict.fromkeys(names), timepoints, (1, 1, 1), None, volumes, (), ())
    z, y, x = shape
    return Run(check_config(config), acquisition, (z, y, x), np.dtype(dtype).name)
