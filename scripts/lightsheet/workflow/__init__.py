"""All that knows Snakemake: resources of its jobs, a clean end, its SLURM plugin, and why jobs failed."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
