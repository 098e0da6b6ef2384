"""All that lies under results/NAME: paths, records, shards, pyramids, OME-NGFF, publication."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
