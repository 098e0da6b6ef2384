"""Files to voxels, and what files say about themselves.

A file format has a module of its own, `tiff_stack` and its helpers for TIFF. A new one goes beside it, with the same
functions: `open_stack` yields a `BandSource` (shape, dtype, and slices of planes and rows), `describe_stack` and
`count_pages` read headers only, and `read_metadata` gives `FileMetadata`. The rest holds for all formats: `mosaic` lays
tiles edge to edge, and `voxel_size` decides between the configuration, `metadata` and `lattice_settings`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
