"""The table `provenance/volumes.csv`: how each deconvolved volume was made and what came out, a row for each."""

import csv
import io
import json
import math
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from lightsheet.run import Run
from lightsheet.sources import format_pages
from lightsheet.store import Record, VolumeKey, name_measured_psf


class Column(NamedTuple):
    """A column of the table, as the crate describes it; `unit` is empty where there is none."""

    description: str
    unit: str = ""


COLUMNS = {
    "channel": Column("Name of the channel"),
    "channel_index": Column("Place of the channel in the store, from 0"),
    "timepoint": Column("Place on the time axis of the store, from 0"),
    "acquired": Column(
        "Place on the time axis of the acquisition, from 0, of which only some timepoints may be selected"
    ),
    "region": Column(
        'Part of the whole volume that was selected, "start:stop:whole" along z, y, x; empty if all', "voxel"
    ),
    "missing": Column('"missing" where no volume was recorded, so that the stores hold a hole; else empty'),
    "tiles": Column("Place of each file's tile in the grid, such as z0y0x1, separated by blanks"),
    "pages": Column(
        'Pages taken of each file, "start:stop:step:pages of the file" or "all", or what of a Zarr array, as in '
        '"timepoint:channel:z:y:x", separated by blanks'
    ),
    "sources": Column("Files, from the folder of the acquisition, percent-encoded, separated by blanks"),
    "sources_bytes": Column("Size of each file, separated by blanks", "byte"),
    "sources_blake3": Column("BLAKE3 of each file, or of the pixels of its pages taken, separated by blanks"),
    "psf": Column("Image from which the PSF was prepared, from the root of the crate"),
    "raw_blake3": Column("BLAKE3 of the raw volume's shard at full resolution; empty if none was kept"),
    "result_blake3": Column("BLAKE3 of the deconvolved volume's shard at full resolution"),
    "fingerprint": Column("SHA-256 of all that decides the deconvolved volume"),
    "engine": Column("What computed the volume"),
    "engine_version": Column("Its version, and those of the libraries behind it, where it ran"),
    "settings": Column("How it was computed, as JSON"),
    "sampled": Column(
        "Timepoints from which settings were chosen that the configuration has as auto, separated by blanks"
    ),
    "block": Column("Size z y x of the blocks in which it was computed, without what they overlap", "voxel"),
    "iterations": Column("Iterations of Richardson-Lucy that were done"),
    "background": Column("Camera offset that was subtracted from the image", "count"),
    "flux_before": Column("Sum of the image after that", "count"),
    "sum": Column("Sum of the deconvolved volume", "count"),
    "min": Column("Darkest voxel of the deconvolved volume", "count"),
    "max": Column("Brightest voxel of the deconvolved volume", "count"),
    "negative_voxels": Column("Voxels of the image below the background", "voxel"),
    "saturated_voxels": Column("Voxels of the image at the largest value of its data type", "voxel"),
    "clipped_voxels": Column("Voxels of the deconvolved volume beyond the largest value of its data type", "voxel"),
    "rounding_error": Column("Relative L2 by which it is stored rounded; empty if it is not"),
    "rounding_to_noise": Column("The same in units of the noise that was found in the images, if it was"),
    "residual": Column("Norm of (deconvolved volume blurred by the PSF - image) by that of the image, in a part of it"),
    "resolution_raw": Column(
        "Smallest period resolved in an xy plane of the image, decorrelation analysis", "micrometre"
    ),
    "resolution_result": Column("The same of the deconvolved volume", "micrometre"),
    "seconds": Column("Time of its ingest and deconvolution", "second"),
    "host": Column("Computer that deconvolved it"),
    "finished": Column("When that was done, ISO 8601"),
}


def format_table(run: Run, records: Mapping[VolumeKey, Record]) -> str:
    """Describe every deconvolved volume as comma-separated values under a header; what is not known is empty."""
    tiles = {(channel, t): run.list_volume_tiles(channel, t) for channel in run.channels for t in run.timepoints}
    stream = io.StringIO()
    table = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    table.writeheader()
    for t, channel in product(run.timepoints, run.channels):
        place, index = run.find_index(VolumeKey("result", channel, t))
        raw, result = (records[VolumeKey(kind, channel, t)] for kind in ("raw", "result"))
        table.writerow(
            {
                "channel": channel,
                "channel_index": index,
                "timepoint": place,
                "acquired": t,
                "region": " ".join(":".join(map(str, span)) for span in run.region or ()),
                "psf": name_measured_psf(channel),
                **_describe_raw(raw, tiles[channel, t], run.acquisition.folder.absolute()),
                "raw_blake3": raw["shards"][0]["blake3"] if run.keeps_raw else "",
                **_describe_result(result, run.config["voxel_size"]["x"]),
                "seconds": round(math.fsum([*raw["seconds"].values(), *result["seconds"].values()]), 3),
            }
        )
    return stream.getvalue()


def _describe_raw(record: Record, tiles: Any, folder: Path) -> dict[str, Any]:
    pieces = [(position, pages) for position, files in tiles for _, pages in files]
    sources = record["sources"]
    paths = [Path(source["path"]).absolute().relative_to(folder).as_posix() for source in sources]
    return {
        "missing": "" if pieces else "missing",
        "tiles": " ".join("z{}y{}x{}".format(*position) for position, _ in pieces),
        "pages": " ".join(format_pages(pages) for _, pages in pieces),
        "sources": " ".join(map(quote, paths)),
        "sources_bytes": " ".join(str(source["bytes"]) for source in sources),
        "sources_blake3": " ".join(source["blake3"] for source in sources),
    }


def _describe_result(record: Record, pixel: float) -> dict[str, Any]:
    """Return what a result's record says, with sizes in units of `pixel`; no statistics if the volume is missing."""
    statistics = record["statistics"] or {}
    resolution = statistics.get("resolution_voxels") or {}  # which records of earlier versions lack, as the residual
    micrometres = {f"resolution_{kind}": voxels and round(voxels * pixel, 4) for kind, voxels in resolution.items()}
    return {
        **{name: value for name, value in statistics.items() if name in COLUMNS},
        "result_blake3": record["shards"][0]["blake3"],
        "fingerprint": record["fingerprint"],
        "engine": record["settings"]["engine"],
        "engine_version": record.get("engine", ""),
        "settings": json.dumps(record["settings"], sort_keys=True),
        "sampled": " ".join(map(str, record.get("sampled", ()))),
        "block": " ".join(map(str, statistics.get("block", ()))),
        **micrometres,
        "host": record["host"],
        "finished": record["finished"],
    }
