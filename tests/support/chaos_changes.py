"""What the chaos test changes in a finished run before its command is typed again: settings, files, results."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from lightsheet.simulation import simulate
from tests.support.project import CHANNELS, Project

SHAPE, TIMEPOINTS, ITERATIONS = (8, 24, 20), 3, 2
CHANNEL = CHANNELS[0]
DAY = 86_400 * 10**9  # nanoseconds, as file times
AFTER_DECONVOLVE = frozenset({"deconvolve", "worker", "consolidate", "report"})
AFTER_PSF, AFTER_INGEST = AFTER_DECONVOLVE | {"psf"}, AFTER_DECONVOLVE | {"ingest"}
ALL = AFTER_PSF | AFTER_INGEST | {"inventory"}


@dataclass(frozen=True)
class Change:
    """A change of what the run is to do; `places` are the rules, and the workers, that have work to do then."""

    places: frozenset[str]
    sections: Mapping[str, Any] = field(default_factory=dict)  # of the configuration
    edit: Callable[[Project], Any] = lambda _project: None  # of the input
    environment: Mapping[str, str] = field(default_factory=dict)
    like: str = ""  # the change of which a fresh run gives the same, if there is one
    redoes_all: bool = False  # every volume is deconvolved again, though its pixels may come out the same


def deconvolution(**keys: Any) -> Change:
    return Change(AFTER_DECONVOLVE, {"deconvolution": keys}, redoes_all=True)


def write_stack(path: Path, pixels: np.ndarray, compression: str | None = None) -> None:
    """Write a TIFF as the simulator does, perhaps compressed."""
    tifffile.imwrite(path, pixels, photometric="minisblack", metadata={"axes": "ZYX"}, compression=compression)


def replace_pixels(path: Path, days: int | None, *, smaller: bool = False) -> None:
    """Write other pixels into a TIFF, in a file of the same size or smaller; its date moves by days, or is now."""
    stat, pixels = path.stat(), tifffile.imread(path)
    compression = "zlib" if smaller else None
    write_stack(path, pixels[:, ::-1].copy(), compression=compression)
    assert (path.stat().st_size == stat.st_size) != smaller
    if days is not None:
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + days * DAY))


def replace_second(days: int | None, *, smaller: bool = False) -> Change:
    return Change(AFTER_INGEST, edit=lambda project: replace_pixels(project.tiffs()[1], days, smaller=smaller))


def add_timepoint(project: Project) -> None:
    _, image = simulate.simulate_volume(0, TIMEPOINTS, SHAPE)
    path = project.folder / "data" / simulate.name_volume("demo", 0, TIMEPOINTS)
    write_stack(path, image)


def forget_snakemake(project: Project) -> None:
    shutil.rmtree(project.folder / ".snakemake", ignore_errors=True)


CHANGES = {
    "nothing": Change(frozenset()),
    "afresh": Change(ALL, edit=Project.forget, like="nothing"),
    "iterations": deconvolution(iterations=3),
    "background": deconvolution(background=90),
    "boundary": deconvolution(boundary="replicate"),
    "acceleration": deconvolution(acceleration="biggs"),
    "blocks": Change(AFTER_INGEST - {"worker"}, {"deconvolution": {"timepoints_per_job": 2}}),
    "dtype": Change(AFTER_DECONVOLVE, {"output": {"dtype": "uint16"}}, redoes_all=True),
    "codec": Change(AFTER_INGEST, {"output": {"codec": {"name": "zstd", "configuration": {"level": 3}}}}),
    "algorithm": Change(AFTER_DECONVOLVE, environment={"CHAOS_ALGORITHM": "99"}, redoes_all=True),
    "tiff-older": replace_second(-1),
    "tiff-same-date": replace_second(0, smaller=True),
    "tiff-newer": replace(replace_second(None), like="tiff-older"),
    "tiff-from-tomorrow": replace(replace_second(1), like="tiff-older"),  # the microscope's clock is wrong
    "tiff-touched": Change(frozenset({"ingest"}), edit=lambda project: os.utime(project.tiffs()[1]), like="nothing"),
    "psf-older": Change(AFTER_PSF, edit=lambda project: replace_pixels(project.folder / "data/psf/488.tif", -1)),
    "psf-background": Change(AFTER_PSF, {"psf": {"background": 100}}, redoes_all=True),
    "timepoint-new": Change(ALL - {"psf"}, edit=add_timepoint),
    "timepoint-gone": Change(ALL - {"psf", "ingest", "worker"}, edit=lambda project: project.tiffs()[2].unlink()),
    "timepoint-hole": Change(
        ALL - {"psf", "worker"}, {"input": {"missing": "fill"}}, edit=lambda project: project.tiffs()[1].unlink()
    ),
    "no-snakemake": Change(frozenset(), edit=forget_snakemake, like="nothing"),
    "no-snakemake-iterations": replace(deconvolution(iterations=3), edit=forget_snakemake, like="iterations"),
}


def change_project(project: Project, change: Change) -> None:
    """Make a change; `my.yaml` is written in any case."""
    sections = {name: dict(section) for name, section in change.sections.items()}
    sections["deconvolution"] = {"iterations": ITERATIONS, **sections.get("deconvolution", {})}
    project.configure_one_channel(**sections)
    change.edit(project)


RESULTS = {
    "raw-shard": f"work/raw/{CHANNEL}/0/c/1/0/0/0",
    "result-shard": f"work/result/{CHANNEL}/0/c/1/0/0/0",
    "published-raw-shard": f"raw/{CHANNEL}.ome.zarr/0/c/1/0/0/0",
    "published-shard": "small.ome.zarr/0/c/1/0/0/0/0",
    "raw-record": f"records/raw/{CHANNEL}/t0001.json",
    "result-record": f"records/result/{CHANNEL}/t0001.json",
    "ingest-manifest": f"work/manifests/ingest.{CHANNEL}.t0000.json",
    "deconvolve-manifest": "work/manifests/deconvolve.t0000.json",
    "consolidate-manifest": "work/manifests/consolidate.json",
    "manifests": "work/manifests",
    "records": "records",
    "work": "work",
    "store": "small.ome.zarr",
    "store-metadata": "small.ome.zarr/0/zarr.json",
    "raw-store": f"raw/{CHANNEL}.ome.zarr",
    "crate": "ro-crate-metadata.json",
    "table": "provenance/volumes.csv",
    "provenance": "provenance",
    "psf-json": f"psf/{CHANNEL}.json",
    "psf-tif": f"psf/{CHANNEL}.tif",
    "psf-png": f"psf/{CHANNEL}.png",
    "inventory": "inventory.csv",
    "report": "report.html",
}

TRIGGERS = {
    "inventory": "inventory",
    "psf": "psf-png",
    "ingest": "raw-shard",
    "deconvolve": "result-shard",
    "worker": "result-shard",
    "consolidate": "published-shard",
    "report": "report",
}
"""The result without which a rule, or a worker, has work to do, whatever else was changed."""


def put_back(path: Path, content: bytes) -> None:
    """Replace a file: its other hard links keep the content that they have."""
    path.unlink()
    path.write_bytes(content)


def delete(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def cut(path: Path) -> None:
    content = path.read_bytes()
    put_back(path, content[: len(content) // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    put_back(path, bytes(content))


INJURIES: dict[str, Callable[[Path], None]] = {
    "deleted": delete,
    "cut": cut,
    "emptied": lambda path: put_back(path, b""),
    "hollow": lambda path: put_back(path, b"{}\n"),
    "flipped": flip,
}

SHARDS = ("raw-shard", "result-shard", "published-raw-shard", "published-shard")
JSONS = tuple(name for name, path in RESULTS.items() if path.endswith(".json") and name != "store-metadata")
APPLICABLE = {
    "deleted": tuple(RESULTS),
    "cut": (*SHARDS, *JSONS),
    "emptied": (*SHARDS, *JSONS),
    "hollow": tuple(name for name in JSONS if name != "crate"),
    "flipped": SHARDS[:2],
}
"""What the next command must notice, or must not trip over: a shard of another size, a JSON file that is none. Flipped
bits are noticed by consolidation alone, which reads the shards."""
