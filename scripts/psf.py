"""Prepare one channel's PSF: the PSF used, a picture of it, and its facts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from lightsheet.psf import draw_psf, prepare_psf_file, save_psf
from lightsheet.system import log_job, logger, write_json


def prepare_psf(
    source: Path,
    tif: Path,
    png: Path,
    json_path: Path,
    *,
    psf_voxel_size: Mapping[str, float],
    voxel_size: Mapping[str, float],
    background: float | Literal["auto"],
) -> None:
    """Make the three files of one PSF; voxel sizes in micrometre, background in the image's units."""
    used, facts = prepare_psf_file(source, psf_voxel_size, voxel_size, background)
    save_psf(used, voxel_size, tif)
    draw_psf(used, voxel_size, f"PSF used, from {source.name}", png)
    write_json(json_path, facts)
    widths = ", ".join(f"{axis} {width:.3f}" for axis, width in facts["fwhm_um"].items())
    logger.info("%s: %s voxels, FWHM in micrometre: %s", source, used.shape, widths)


if __name__ == "__main__":
    with log_job(snakemake.log[0]):
        prepare_psf(
            Path(snakemake.input[0]),
            Path(snakemake.output.tif),
            Path(snakemake.output.png),
            Path(snakemake.output.json),
            psf_voxel_size=snakemake.params.psf_voxel_size,
            voxel_size=snakemake.params.voxel_size,
            background=snakemake.params.background,
        )
