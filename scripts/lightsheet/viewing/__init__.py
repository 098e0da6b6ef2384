"""What people and programs look at: the report, viewers, OME-TIFF and OME-Zarr 0.4."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
