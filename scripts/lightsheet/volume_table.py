"""The table `provenance/volumes.csv`: how each deconvolved volume was made, a row for each."""

import csv
import io
import json
from pathlib import Path
from typing import Any

from lightsheet import files
from lightsheet.records import Record
from lightsheet.run import Run


def rows(run: Run, done: dict[tuple[str, str, int], Record]) -> list[dict[str, Any]]:
    """Describe every deconvolved volume.

    Parameters
    ----------
    run : Run
        The plan.
    done : dict
        The record of every volume, by kind (raw or result), channel and timepoint.

    Returns
    -------
    list of dict
        `channel`, `channel_index` and `timepoint` (its place in the store), `missing` ("missing" if nothing was
        recorded: the store then holds a hole), `sources` (URIs; several are separated by blanks, as are `tiles`,
        their places in the grid, `pages`, "start:stop:step" or "all", and `sources_blake3`, of the file or of the
        pixels of these pages), `psf` (URI), the digests of the full-resolution shards, `fingerprint`, `engine`,
        `settings` (JSON), `block` (z y x, in which it was deconvolved), `seconds` of ingest and deconvolution,
        and `host` of the latter.
    """
    tiles = {(c, t): where for c in run.channels for block in run.blocks for t, where in run.tiles(c, block)}
    psf = {c: uri(files.read_json(run.results.psf(c, ".json"))["source"]["path"]) for c in run.channels}
    described = []
    for channel, _, t in run.volumes():
        raw, result = done["raw", channel, t], done["result", channel, t]
        pieces = [(position, pages) for position, own in tiles[channel, t] for _, pages in own]
        described.append(
            {
                "channel": channel,
                "channel_index": run.channels.index(channel),
                "timepoint": t,
                "missing": "" if pieces else "missing",
                "tiles": " ".join("z{}y{}x{}".format(*position) for position, _ in pieces),
                "pages": " ".join("{}:{}:{}".format(*pages) if pages else "all" for _, pages in pieces),
                "sources": " ".join(uri(source["path"]) for source in raw["sources"]),
                "sources_blake3": " ".join(source["blake3"] for source in raw["sources"]),
                "psf": psf[channel],
                "raw_blake3": raw["shards"][0]["blake3"],
                "result_blake3": result["shards"][0]["blake3"],
                "fingerprint": result["fingerprint"],
                "engine": result["settings"]["engine"],
                "settings": json.dumps(result["settings"], sort_keys=True),
                "block": " ".join(map(str, result["statistics"]["block"])) if pieces else "",
                "seconds": round(sum(raw["seconds"].values()) + sum(result["seconds"].values()), 3),
                "host": result["host"],
            }
        )
    return described


def text(rows: list[dict[str, Any]]) -> str:
    """Write the rows, at least one, as comma-separated values under a header."""
    stream = io.StringIO()
    table = csv.DictWriter(stream, rows[0].keys(), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return stream.getvalue()


def uri(path: str) -> str:
    """Name an input as the table and the crate do."""
    return Path(path).absolute().as_uri()
