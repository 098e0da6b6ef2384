from .deskew import deskew as deskew
from .geometry import Scan as Scan, make_scan as make_scan
from .rotate import rotate as rotate
from .shear import shear_psf as shear_psf
