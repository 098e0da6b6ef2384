from .optics import (
    CAMERA_NOISE as CAMERA_NOISE,
    CAMERA_OFFSET as CAMERA_OFFSET,
    model_image_psf as model_image_psf,
    model_psf as model_psf,
)
from .scene import CHANNELS as CHANNELS, Array as Array, Shape as Shape
from .simulate import (
    VOXEL_SIZE as VOXEL_SIZE,
    simulate_acquisition as simulate_acquisition,
    simulate_volume as simulate_volume,
)
from .stage import choose_scan as choose_scan
