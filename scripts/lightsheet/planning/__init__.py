"""Before a run: the pilot tries methods on one volume, the plan foresees time, memory and disk."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
