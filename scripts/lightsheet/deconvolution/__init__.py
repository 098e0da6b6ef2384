"""Richardson-Lucy behind one function, `richardson_lucy`; one engine a file."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
