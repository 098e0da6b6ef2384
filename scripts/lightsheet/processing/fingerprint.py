"""What decides a volume: the fields of its record whose digest is its fingerprint.

Light to import: whenever Snakemake reads the Snakefile, records are compared with what the run would write into them.
Versions of libraries, devices and hosts are not among these fields: they stand in the record, and redo nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lightsheet.deconvolution import ALGORITHM_VERSION
from lightsheet.sources import PageRange, Region, Tiles
from lightsheet.store import Record, StoreLayout
from lightsheet.system import digest_json

INGEST_VERSION = 2
"""Raised when ingest would make other pixels from the same files."""


def describe_piece(path: str, pages: PageRange, size: int, mtime_ns: int, stamp: str = "") -> dict[str, Any]:
    """Describe a file of a volume, or some of its pages, as records do, but without a digest; `size` in bytes.

    Of a Zarr array `size` and `mtime_ns` are those of the volume's chunks, and `stamp` tells of each of them.
    """
    piece = {"path": path, "bytes": size, "mtime_ns": mtime_ns, **({"stamp": stamp} if stamp else {})}
    return piece if pages is None else {**piece, "pages": list(pages)}


def list_raw_inputs(
    tiles: Tiles, sources: Sequence[Mapping[str, Any]], layout: StoreLayout | None, region: Region | None = None
) -> dict[str, Any]:
    """List what decides a raw volume and its shards.

    Parameters
    ----------
    tiles : Tiles, where the pixels are; none of a missing volume
    sources : sequence of mapping, the `sources` of its record; their digests (`blake3`) count, paths and times do not
    layout : StoreLayout, of the raw store; None where no raw volumes are kept
    region : Region, optional, the part of the volume that was selected
    """
    positions = [[list(position), len(pieces)] for position, pieces in tiles]
    digests = [source["blake3"] for source in sources]
    source = digest_json({"at": positions, "blake3": digests})
    shards = {"layout": layout.as_json()} if layout else {}
    return {"source": source, "ingest": INGEST_VERSION, **write_region(region), **shards}


def matches_source(record: Record, inputs: Mapping[str, Any]) -> bool:
    """Tell whether a record is of the same pixels as these inputs of a raw volume, however they are encoded."""
    return all(record.get(name) == inputs.get(name) for name in ("source", "ingest", "region"))


def write_region(region: Region | None) -> dict[str, Any]:
    """Return what records and bases of choices say of the part of volumes that was selected; nothing of whole ones."""
    return {"region": [list(span) for span in region]} if region else {}


def list_result_inputs(
    raw: Record, psf_sha256: str, settings: Mapping[str, Any], layout: StoreLayout
) -> dict[str, Any]:
    """List what decides a deconvolved volume and its shards.

    Parameters
    ----------
    raw : Record, of the raw volume; how its shards are encoded does not matter
    psf_sha256 : str, digest of the PSF used
    settings : mapping, as for `deconvolve_volume`; the kind of engine is one of them
    layout : StoreLayout, of the result
    """
    return {
        "source": raw["source"],
        "ingest": raw["ingest"],
        **write_region(raw.get("region")),
        "psf": psf_sha256,
        "settings": dict(settings),
        "algorithm": ALGORITHM_VERSION,
        "layout": layout.as_json(),
    }
