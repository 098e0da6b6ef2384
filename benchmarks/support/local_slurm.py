"""A SLURM to measure on: the site's, or one on this machine."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support import minislurm


@contextmanager
def start_slurm(nodes: int = 2, cpus: int = 8) -> Iterator[None]:
    """Use the site's SLURM, or start one with so many nodes and CPUs in each."""
    if minislurm.answers(minislurm.LINK):
        yield
        return
    cluster = minislurm.Cluster(minislurm.own_folder())
    cluster.start(nodes=nodes, cpus=cpus)
    try:
        yield
    finally:
        cluster.stop()
