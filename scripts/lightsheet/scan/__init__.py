"""Planes of a stage that moves at an angle to the camera's focal plane: where their voxels lie, shown straight."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
