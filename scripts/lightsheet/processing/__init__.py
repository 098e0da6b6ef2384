"""One volume: source to raw shard, raw shard to result, what is measured of both; and a block of them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
