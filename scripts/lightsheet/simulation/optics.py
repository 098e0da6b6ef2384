"""The microscope of a simulated acquisition: the model of its PSF, the blur, and the camera's offset and noise."""

import math
from collections.abc import Mapping

import numpy as np
import scipy  # whose modules come when they are used: `signal` takes half a second

from lightsheet.simulation.scene import Array, SceneChannel, Shape

PSF_STEP_Z = 0.1  # micrometre between the planes of a measured PSF
PSF_REACH = (2.7, 1.6, 1.6)  # micrometre from the middle of the PSF to where it is cut, z y x
PSF_OFF_CENTRE = (-1.8, 0.8, 1.1)  # voxels of the PSF file, z y x
PSF_PEAK, PSF_OFFSET, PSF_NOISE = 2200.0, 104.0, 5.0  # photons, counts, counts
CAMERA_OFFSET, CAMERA_NOISE = 100.0, 2.0  # counts; the gain is 1 count per photon
NUMERICAL_APERTURE, REFRACTIVE_INDEX = 1.1, 1.33


def model_psf(
    channel: SceneChannel,
    shape: Shape,
    voxel_size: Mapping[str, float],
    centre: tuple[float, float, float],
    moves: tuple[float, float] = (0.0, 0.0),
) -> Array:
    """Integrate a light-sheet microscope's PSF over voxels.

    In focus a Gaussian of sd 0.225 wavelength / NA, the 2D wide-field approximation of Zhang, Zerubia and
    Olivo-Marin (Applied Optics 46, 1819, 2007); with defocus it widens as a Gaussian beam does (Saleh and
    Teich, Fundamentals of Photonics, eq. 3.1-8) and keeps its light. Planes are weighted by the light sheet:
    a Gaussian and two weak side lobes, placed as in measured lattice light-sheet PSFs. A slight astigmatism
    and tilt make it as imperfect as those.

    Parameters
    ----------
    channel : SceneChannel, gives the wavelength
    shape, centre : tuple, (z, y, x) in voxels: the size, and where the focus lies
    voxel_size : mapping, micrometre along `z`, `y` and `x`
    moves : tuple, by how many voxels along y and x it lies farther in each plane, as a stage scan moves it

    Returns
    -------
    ndarray (z, y, x), float64, sum 1
    """
    samples = 2 * math.ceil(voxel_size["z"] / 0.1) + 1
    steps = (np.arange(samples) + 0.5) / samples - 0.5
    z = (np.arange(shape[0]) - centre[0] + steps[:, None])[..., None] * voxel_size["z"]
    sheet = np.exp(-0.5 * (z / 0.45) ** 2)
    for place, height in ((-1.7, 0.07), (1.7, 0.05)):
        sheet += height * np.exp(-0.5 * ((z - place) / 0.25) ** 2)
    wavelength = channel.emission_nm / 1000
    waist = 0.225 * wavelength / NUMERICAL_APERTURE
    rayleigh = 4 * math.pi * waist**2 * REFRACTIVE_INDEX / wavelength
    profiles = []
    for axis, focus, tilt in ((1, 0.06, 0.0), (2, -0.06, 0.05)):
        width = waist * np.sqrt(1 + ((z - focus) / rayleigh) ** 2)
        size = voxel_size["zyx"[axis]]
        middles = centre[axis] + moves[axis - 1] * (np.arange(shape[0]) - centre[0])
        edges = (np.arange(shape[axis] + 1) - 0.5 - middles[:, None]) * size - tilt * z
        profiles.append(np.diff(scipy.special.ndtr(edges / width), axis=-1))
    psf = np.einsum("szy,szx->zyx", sheet * profiles[0], profiles[1])
    return np.asarray(psf / psf.sum())


def model_image_psf(channel: SceneChannel, voxel_size: Mapping[str, float]) -> Array:
    """Return the PSF that blurs the images: their voxel size, odd-sized, centred, float32, sum 1."""
    middle = [math.ceil(reach / voxel_size[axis]) for axis, reach in zip("zyx", PSF_REACH, strict=True)]
    z, y, x = middle
    psf = model_psf(channel, (2 * z + 1, 2 * y + 1, 2 * x + 1), voxel_size, (z, y, x))
    return psf.astype(np.float32)


def simulate_measured_psf(
    channel: SceneChannel,
    shape: Shape,
    voxel_size: Mapping[str, float],
    rng: np.random.Generator,
    distance: float = PSF_STEP_Z,
    moves: tuple[float, float] = (0.0, 0.0),
) -> Array:
    """Return the PSF as a person would measure it: finer in z, off-centre, camera offset, noise; uint16.

    `distance` is that of its planes in micrometre, `moves` are as for `model_psf`.
    """
    z, y, x = (n // 2 + shift for n, shift in zip(shape, PSF_OFF_CENTRE, strict=True))
    psf = model_psf(channel, shape, {**voxel_size, "z": distance}, (z, y, x), moves)
    return _count_photons(psf * (PSF_PEAK / psf.max()), PSF_OFFSET, PSF_NOISE, rng)


def blur_photons(photons: Array, psf: Array) -> Array:
    """Convolve, and keep the voxels around which the whole PSF fits; slab by slab along y, which bounds the memory."""
    margin, slab = psf.shape[1] - 1, 128
    blurred = np.empty([n - k + 1 for n, k in zip(photons.shape, psf.shape, strict=True)], np.float32)
    with scipy.fft.set_workers(-1):
        for y in range(0, blurred.shape[1], slab):
            piece = photons[:, y : y + slab + margin]
            blurred[:, y : y + slab] = scipy.signal.fftconvolve(piece, psf, mode="valid")
    return blurred


def expose_camera(photons: Array, rng: np.random.Generator) -> Array:
    """Return the camera's counts (uint16) of expected photons (z, y, x), made plane by plane to save memory."""
    image = np.empty(photons.shape, np.uint16)
    for z, expected in enumerate(photons):
        image[z] = _count_photons(expected, CAMERA_OFFSET, CAMERA_NOISE, rng)
    return image


def _count_photons(photons: Array, offset: float, noise: float, rng: np.random.Generator) -> Array:
    """Add Poisson and Gaussian read noise and the offset, at gain 1; negative ripples of the FFT are no photons."""
    counts = rng.poisson(np.maximum(photons, 0)) + rng.normal(offset, noise, photons.shape)
    return np.asarray(np.clip(np.rint(counts), 0, 65535), dtype=np.uint16)
