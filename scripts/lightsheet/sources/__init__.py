"""Files to voxels, and what files say about themselves.

A file format has modules of its own. For TIFF, `tiff_stack` and its helpers: `open_stack` yields a `BandSource` (shape,
dtype, and slices of planes and rows), `describe_stack` and `count_pages` read headers only, and `read_metadata` gives
`FileMetadata`. For Zarr, `zarr_volume` yields a `BandSource` (with `zarr_array`, `zarr_view`, `zarr_chunks` and
`zarr_codecs`), `zarr_stat` tells whether its chunks have changed, and `zarr_image` gives `FileMetadata` (with
`zarr_entries` and `ngff`). The rest holds for all formats: a piece is a path and what of it (`pieces`), `mosaic` lays
tiles edge to edge, `source_digests` tells whether pixels are the same, and `voxel_size` decides between the
configuration, the files and `lattice_settings`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
