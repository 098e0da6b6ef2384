"""How much a run measures: all of it in seven minutes on a GPU, or next to nothing, to try the benchmark itself."""

from typing import NamedTuple

Shape = tuple[int, int, int]

VOXEL_SIZE = {"z": 0.3, "y": 0.104, "x": 0.104}  # micrometre

BRIGHTNESS, BACKGROUND = 130, 100
"""Mean counts of a raw volume, and what the camera adds to them."""


class Sizes(NamedTuple):
    """What the parts do."""

    volume: Shape
    small_volume: Shape  # for comparisons with slow engines
    psf: Shape
    iterations: int  # of a volume
    counts: tuple[int, int]  # iterations between which an iteration's time is the slope
    repeats: int
    volumes: int
    races: int  # volumes that are given as CuPy arrays, one after the other
    long_volume: Shape  # with more than 2 ** 31 voxels when padded
    cores: tuple[int, ...]
    slots: tuple[int, ...]
    copy_bytes: int


FULL = Sizes(
    volume=(201, 1024, 768),
    small_volume=(101, 512, 384),
    psf=(101, 64, 64),
    iterations=10,
    counts=(5, 25),
    repeats=5,
    volumes=10,
    races=50,
    long_volume=(500, 2048, 2048),
    cores=(4, 8, 16),
    slots=(3, 6),
    copy_bytes=2 * 10**9,
)
TINY = Sizes(
    volume=(12, 40, 36),
    small_volume=(8, 20, 18),
    psf=(5, 6, 6),
    iterations=2,
    counts=(1, 3),
    repeats=1,
    volumes=2,
    races=2,
    long_volume=(12, 40, 36),
    cores=(1,),
    slots=(),
    copy_bytes=10**4,
)
