"""Prepare one channel's PSF: the PSF used, a picture of it, and its facts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightsheet.psf import draw_psf, prepare_psf_file, save_psf
from lightsheet.system import log_job, logger, write_json


def prepare_psf(
    source: Path, tif: Path, png: Path, json_path: Path, voxel_size: Mapping[str, float], **settings: Any
) -> None:
    """Make the three files of one PSF; voxel sizes in micrometre, `settings` are the others of `prepare_psf_file`."""
    used, facts = prepare_psf_file(source, voxel_size=voxel_size, **settings)
    save_psf(used, voxel_size, tif)
    draw_psf(used, voxel_size, f"PSF used, from {source.name}", png)
    write_json(json_path, facts)
    widths = ", ".join(f"{axis} {width:.3f}" for axis, width in facts["fwhm_um"].items())
    logger.info("%s: %s voxels, FWHM in micrometre: %s", source, used.shape, widths)


if __name__ == "__main__":
    with log_job(snakemake.log[0]):
        files = map(Path, (snakemake.input[0], snakemake.output.tif, snakemake.output.png, snakemake.output.json))
        prepare_psf(*files, **dict(snakemake.params.items()))
