from .deskew import deskew as deskew
from .geometry import Scan as Scan, make_scan as make_scan
from .output_geometry import GEOMETRIES as GEOMETRIES, OutputGeometry as OutputGeometry
from .output_volume import OutputVolume as OutputVolume
from .plane_shift import (
    PlaneShift as PlaneShift,
    measure_plane_shift as measure_plane_shift,
    track_planes as track_planes,
)
from .rotate import rotate as rotate
from .shear import measure_margin as measure_margin, move_planes as move_planes, shear_psf as shear_psf
from .suggestion import suggest_scans as suggest_scans
