"""Dask workers on this machine or as SLURM jobs, and volumes handed to them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
