"""What every part asks of the operating system: whole files, logs, memory and cores, the one error of a user."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
