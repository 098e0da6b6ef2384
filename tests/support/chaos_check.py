"""What must hold in the chaos test: for readers at every moment, and of a run that says that it is done."""

import csv
import html
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaozarrs
import zarr

from lightsheet.store.paths import shard_path
from lightsheet.system import PART, files
from tests.support.chaos_changes import CHANNEL, SHAPE
from tests.support.project import Project

POLL_SECONDS = 0.02


def list_stores(project: Project) -> list[Path]:
    return [project.results / "small.ome.zarr", project.results / "raw" / f"{CHANNEL}.ome.zarr"]


def list_shards(store: Path) -> list[Path]:
    """Name the shards that a store must have, as its metadata say."""
    timepoints, *channels, _, _, _ = zarr.open_array(store / "0", mode="r").shape
    return [shard_path(store, 0, (t, 0)[: 1 + len(channels)]) for t in range(timepoints)]


def find_half_store(project: Project) -> str | None:
    """Say what is wrong with a store that a reader finds under its published name."""
    for store in filter(Path.exists, list_stores(project)):
        yaozarrs.validate_zarr_store(str(store))
        missing = [path for path in list_shards(store) if not path.exists()]
        if missing:
            return f"half a store: {missing[0]} is missing"
        array = zarr.open_array(store / "0", mode="r")
        if array.shape[-3:] != SHAPE or array[:].shape != array.shape:
            return f"{store} has volumes of {array.shape}"
    return None


@contextmanager
def watch_readers(project: Project, reference: Project) -> Iterator[list[Path]]:
    """Look all the time whether readers find the shards that stay published; yield those that were away."""
    names = {path.relative_to(reference.folder) for store in list_stores(reference) for path in list_shards(store)}
    shards = [path for store in list_stores(project) for path in list_shards(store)]
    shards = [path for path in shards if path.relative_to(project.folder) in names]
    absent: list[Path] = []
    end = threading.Event()

    def watch() -> None:
        while not end.wait(POLL_SECONDS):
            absent.extend(path for path in shards if not path.exists())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield absent
    finally:
        end.set()
        thread.join()


def find_difference(project: Project, reference: Project) -> str | None:
    """Say how the results differ from those of a fresh run of the same configuration."""
    names = [
        *reference.digests(),
        *(str(path.relative_to(reference.results)) for path in (reference.results / "work").glob("*/*/0/c/*/0/0/0")),
        *(f"psf/{CHANNEL}.tif", "inventory.csv", "provenance/config.yaml", f"provenance/psf/{CHANNEL}.tif"),
    ]
    for name in names:
        path = project.results / name
        if not path.exists():
            return f"{name} is missing"
        if path.read_bytes() != (reference.results / name).read_bytes():
            return f"{name} is not that of a fresh run"
    if project.digests().keys() != reference.digests().keys():
        return "the stores have other files than those of a fresh run"
    return find_lie(project)


def find_lie(project: Project) -> str | None:
    """Say where provenance or report tell something else than the stores."""
    with (project.results / "provenance" / "volumes.csv").open() as file:
        rows = list(csv.DictReader(file))
    for kind, store in zip(("result", "raw"), list_stores(project), strict=True):
        if [row[f"{kind}_blake3"] for row in rows] != [files.digest_blake3(path) for path in list_shards(store)]:
            return f"volumes.csv has other digests than the {kind} store"
    entities = json.loads((project.results / "ro-crate-metadata.json").read_text())["@graph"]
    for entity in entities:
        path = project.results / entity["@id"]
        if "sha256" in entity and path.exists() and files.digest_sha256(path) != entity["sha256"]:
            return f"the crate has another digest of {entity['@id']}"
    config = (project.results / "provenance" / "config.yaml").read_text()
    if html.escape(config.strip()) not in (project.results / "report.html").read_text():
        return "the report is not of this configuration"
    return None


def find_leftover(project: Project) -> str | None:
    """Name an unfinished file or folder that a killed job left."""
    leftovers = sorted(project.results.rglob(f"{PART}*"))
    return f"{leftovers[0].relative_to(project.folder)} is left" if leftovers else None
