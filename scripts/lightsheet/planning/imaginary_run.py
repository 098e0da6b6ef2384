"""A run of an acquisition of which only the sizes are known: names, no pixels."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from lightsheet.acquisition import Acquisition, Volume
from lightsheet.run import Run, check_config


def imagine_run(folder: Path, options: Mapping[str, Any]) -> Run:
    """Make the run that the options of `lightsheet plan` describe; InputError if one of them cannot be used.

    In the empty `folder` a PSF without light stands for the measured ones.
    """
    names, psf_file = tuple(f"channel{number}" for number in range(options["channels"])), folder / "psf.tif"
    tifffile.imwrite(psf_file, np.zeros(options["psf_shape"], np.uint16))
    deconvolution = ("engine", "iterations", "boundary", "acceleration", "timepoints_per_job")
    config = {
        "name": "imagined",
        "input": {"folder": str(folder)},
        "voxel_size": dict(zip("zyx", options["voxel_size"], strict=True)),
        "psf": {
            "voxel_size": dict(zip("zyx", options["psf_voxel_size"], strict=True)),
            "files": dict.fromkeys(names, str(psf_file)),
        },
        "deconvolution": {key: options[key] for key in deconvolution},
        "output": {"folder": str(folder), "dtype": options["output_dtype"]},
    }
    timepoints = options["timepoints"]
    volumes = tuple(Volume(channel, t, None, ()) for t in range(timepoints) for channel in names)
    acquisition = Acquisition(folder, names, dict.fromkeys(names), timepoints, (1, 1, 1), None, volumes, (), ())
    z, y, x = options["shape"]
    return Run(check_config(config), acquisition, (z, y, x), np.dtype(options["dtype"]).name)
