"""The command `lightsheet`: before a run, to look at a finished one, and to prove it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
