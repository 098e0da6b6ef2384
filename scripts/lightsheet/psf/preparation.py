"""From the measured image of a bead to the PSF that deconvolution uses, and its facts for the record."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lightsheet.psf.centre import Core, find_core
from lightsheet.psf.damage import find_damage
from lightsheet.psf.image import read_psf_image
from lightsheet.psf.isolation import BeadImage, isolate_psf
from lightsheet.psf.measure import Array, Volume, digest_psf, measure_fwhm
from lightsheet.psf.refusals import convert_voxel_size, refuse_coarse, refuse_peak, refuse_unusable
from lightsheet.psf.resampling import crop, resample
from lightsheet.psf.slant import refuse_scan_mismatch
from lightsheet.psf.straight import locate_in_image, read_scan, shear_to_scan, straighten_psf
from lightsheet.system import digest_sha256

# Share of the energy that cropping may cost: the shot noise of 10^8 photons. On a simulated image with known
# truth this changes no result by more than its fourth digit; ten times as much did, for a fifth fewer voxels.
CROP = 1e-4


def prepare_psf(
    image: Array,
    psf_voxel_size: Mapping[str, float],
    voxel_size: Mapping[str, float],
    background: float | Literal["auto"] = "auto",
    source: str = "PSF",
    *,
    scan: Mapping[str, Any] | None = None,
    psf_scan: Mapping[str, Any] | None = None,
) -> Volume:
    """Make the PSF that deconvolution uses from an image of a point.

    The camera's offset is subtracted; the image of a stage scan is straightened; what is noise or not connected with
    the peak is set to zero; the image is low-passed and resampled to the voxel size of the volumes, with its centre,
    known to a fraction of a voxel, as the middle; its planes are moved as those of the volumes are, if a stage scanned
    these; negatives are clipped; it is cropped symmetrically.

    The centre is the centroid of the core, above half of the maximum after smoothing: of an oblique or comatic PSF the
    middle of its brightest part. So channels whose beads lay differently on the camera's grid do not move against each
    other. Only a PSF that was computed (no noise) and is too narrow to be interpolated keeps its brightest voxel there.

    Parameters
    ----------
    image : numpy.ndarray
        (z, y, x), any integer or float dtype.
    psf_voxel_size, voxel_size : mapping
        Of the PSF image, and of the volumes to deconvolve: micrometre along `z`, `y` and `x`.
    background : float or "auto"
        The camera's offset, in the image's units; `auto` estimates it from the voxels on its six faces.
    source : str
        The image's path, for error messages.
    scan, psf_scan : mapping, optional
        How the stage moved from plane to plane of the volumes and of the image: `angle` in degrees, `step` in
        micrometre, `axis` and `direction`, as for `lightsheet.scan.deskew`; None: they are straight. z of a voxel
        size is the distance of the planes, step * sin(angle).

    Returns
    -------
    numpy.ndarray
        (z, y, x) float32, odd along every axis, centre at N//2, no negatives, sum 1.

    Raises
    ------
    InputError
        If the image is not 3-D, empty, not finite or flat, shows nothing but background and noise, or has its
        peak on a face; if a voxel size is missing or not positive; if the image shows another geometry than `psf_scan`.
    """
    return _prepare(image, psf_voxel_size, voxel_size, background, source, scan, psf_scan)[0]


def prepare_psf_file(
    path: Path,
    psf_voxel_size: Mapping[str, float],
    voxel_size: Mapping[str, float],
    background: float | Literal["auto"] = "auto",
    pages: Sequence[int] | None = None,
    scan: Mapping[str, Any] | None = None,
    psf_scan: Mapping[str, Any] | None = None,
) -> tuple[Volume, dict[str, Any]]:
    """Read a PSF image, a TIFF stack, and prepare it.

    Parameters
    ----------
    path, psf_voxel_size, voxel_size, background, scan, psf_scan
        The file; the others as for `prepare_psf`, which also tells what is refused.
    pages : sequence of int, optional
        Start, stop and step of the pages that are its planes; all of them by default.

    Returns
    -------
    numpy.ndarray
        As from `prepare_psf`.
    dict
        source (path, bytes, sha256), background (in the image's units), fill (value of voxels that were never
        measured, or None), noise_to_peak (standard deviation of the camera's noise by the brightest voxel), peak_zyx
        (brightest voxel of the image), centre_zyx (likewise, to a fraction), shape, fwhm_um, energy_cropped (share of
        the energy), warnings (what `find_damage` returns), and sha256 of the PSF.
        Where a stage scanned the volumes or the image, also `geometry`: how, and what was done; fwhm_um is that of the
        straight PSF then, and peak_zyx and centre_zyx lie in the image as it was recorded.
    """
    image = read_psf_image(path, pages)
    psf, bead, core, energy_loss = _prepare(image, psf_voxel_size, voxel_size, background, str(path), scan, psf_scan)
    return psf, {
        "source": {"path": str(path), "bytes": path.stat().st_size, "sha256": digest_sha256(path)},
        "background": bead.offset,
        "fill": bead.fill,
        "noise_to_peak": float(bead.noise / bead.light[bead.peak]),
        "peak_zyx": list(bead.peak_in_image),
        "centre_zyx": [round(place, 3) for place in locate_in_image(core.centre.tolist(), bead.movement)],
        "shape": list(psf.shape),
        "fwhm_um": measure_fwhm(straighten_psf(psf, scan, voxel_size), voxel_size),
        "energy_cropped": energy_loss,
        **_describe_geometry(scan, psf_scan),
        "warnings": find_damage(image, bead, core, psf_voxel_size, background),
        "sha256": digest_psf(psf),
    }


def _prepare(
    image: Array,
    psf_voxel_size: Mapping[str, float],
    voxel_size: Mapping[str, float],
    background: float | Literal["auto"],
    source: str,
    scan: Mapping[str, Any] | None,
    psf_scan: Mapping[str, Any] | None,
) -> tuple[Volume, BeadImage, Core, float]:
    """Return the PSF, the image of the bead that it is from, its core, and the share of energy that cropping lost."""
    steps = convert_voxel_size(voxel_size, "voxel_size", source)
    ratios = steps / convert_voxel_size(psf_voxel_size, "psf.voxel_size", source)
    refuse_unusable(image, source)
    refuse_coarse(ratios, source)
    bead = isolate_psf(image, background, read_scan(psf_scan, psf_voxel_size))
    refuse_peak(bead, image.shape, source)
    core = find_core(bead)
    refuse_scan_mismatch(bead, core, psf_voxel_size, scan, psf_scan, source)
    signal = bead.signal
    for axis in range(3):
        signal = resample(signal, axis, core.centre[axis], ratios[axis])
    geometry = read_scan(scan, voxel_size)
    psf, energy_loss = crop(signal.clip(0), CROP / 2 if geometry else CROP)
    if geometry:
        psf, loss = crop(shear_to_scan(psf, geometry), CROP / 2)
        energy_loss += loss
    return (psf / psf.sum()).astype(np.float32), bead, core, energy_loss


def _describe_geometry(scan: Mapping[str, Any] | None, psf_scan: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return `geometry` of a PSF's facts; nothing where all is straight."""
    if not (scan or psf_scan):
        return {}
    steps = ["its planes were moved to where the stage was"] if psf_scan else []
    steps.append("it was resampled to the distance of the images' planes")
    steps += ["its planes were moved against each other as the images' are"] if scan else []
    return {"geometry": {"images": scan or "straight", "bead": psf_scan or "straight", "done": steps}}
