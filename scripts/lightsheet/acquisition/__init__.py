"""A folder of files as channels, timepoints and tiles.

`discovery` lists the folder (`listing`), reads each name (`names`, by `presets` or `templates`), finds the time axis
(`time_axis`, `seconds`), what is missing (`gaps`) and what still arrives (`settling`). `hyperstack` unfolds files that
hold several volumes. All of this runs whenever the Snakefile is parsed. `inventory` says what was understood, and
`lazy` opens it as one array.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
