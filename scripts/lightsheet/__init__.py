"""Light-sheet volumes from TIFF through Richardson-Lucy deconvolution to OME-Zarr."""
