"""Prepare one channel's PSF: the PSF used, a picture of it, and its facts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightsheet.psf import draw_psf, list_psf_inputs, prepare_psf_file, save_psf, straighten_psf
from lightsheet.system import InputError, digest_sha256, log_job, logger, write_json


def prepare_psf(
    source: Path, tif: Path, png: Path, json_path: Path, voxel_size: Mapping[str, float], **settings: Any
) -> None:
    """Make the three files of one PSF; voxel sizes in micrometre, `settings` are the others of `prepare_psf_file`.

    The facts come last, with the digests of the other two, so that all three are known to belong together.
    """
    inputs = list_psf_inputs(source, voxel_size=voxel_size, **settings)
    psf, facts = prepare_psf_file(source, voxel_size=voxel_size, **settings)
    if list_psf_inputs(source, voxel_size=voxel_size, **settings) != inputs:
        raise InputError(f"{source}: it changed while it was read; run again when it is written whole")
    save_psf(psf, voxel_size, tif)
    warnings = [warning["text"] for warning in facts["warnings"]]
    scan = settings.get("scan")
    title = f"PSF used, from {source.name}" + (", shown straight" if scan else "")
    draw_psf(straighten_psf(psf, scan, voxel_size), voxel_size, title, png, warnings, facts["noise_to_peak"])
    digests = {path.suffix: digest_sha256(path) for path in (tif, png)}
    write_json(json_path, {**facts, "inputs": inputs, "files": digests})
    widths = ", ".join(f"{axis} {width:.3f}" for axis, width in facts["fwhm_um"].items())
    for warning in warnings:
        logger.warning("%s: %s", source, warning)
    if facts["fill"] is not None:
        logger.info("%s: what is %g at its border was never measured", source, facts["fill"])
    for step in facts.get("geometry", {}).get("done", []):
        logger.info("%s: %s", source, step)
    logger.info("%s: %s voxels, FWHM in micrometre: %s", source, psf.shape, widths)


if __name__ == "__main__":
    with log_job(snakemake.log[0]):
        output = snakemake.output
        files = map(Path, (snakemake.params.image, output.tif, output.png, output.json))
        prepare_psf(*files, **snakemake.params.settings)
