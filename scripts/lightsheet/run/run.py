"""One run of the workflow: its volumes and blocks, where each goes, what is done and what is missing."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lightsheet.acquisition import Acquisition, Piece, Volume
from lightsheet.sources import PageRange, Tiles
from lightsheet.store import (
    Record,
    Results,
    StoreLayout,
    VolumeKey,
    name_measured_psf,
    read_record,
    shard_path,
    shards_exist,
)
from lightsheet.system import InputError, format_size, read_json, write_json

KINDS = ("raw", "result")


@dataclass(frozen=True)
class Run:
    """One run of the workflow.

    Parameters
    ----------
    config : dict
        Checked, defaults filled in.
    acquisition : Acquisition
        What the folder holds.
    shape : tuple of int
        (z, y, x) of a volume, its tiles assembled.
    dtype : str
        Of the raw volumes.
    """

    config: Mapping[str, Any]
    acquisition: Acquisition
    shape: tuple[int, int, int]
    dtype: str

    @cached_property
    def results(self) -> Results:
        """Where everything goes."""
        return Results(Path(self.config["output"]["folder"]) / self.config["name"])

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels, in the order of the store."""
        return self.acquisition.channels

    @cached_property
    def blocks(self) -> dict[str, range]:
        """Timepoints of each block, by the block's name."""
        size, end = self.config["deconvolution"]["timepoints_per_job"], self.acquisition.timepoints
        return {f"t{start:04d}": range(start, min(start + size, end)) for start in range(0, end, size)}

    @cached_property
    def _volumes(self) -> dict[tuple[str, int], Volume]:
        return {(volume.channel, volume.timepoint): volume for volume in self.acquisition.volumes}

    def sources(self, channel: str, block: str) -> list[str]:
        """Return the TIFF files of a channel's block."""
        volumes = (self._volumes[channel, t] for t in self.blocks[block])
        return list(dict.fromkeys(str(piece.path) for volume in volumes for piece in volume.pieces))

    @cached_property
    def _page_counts(self) -> Counter[Path]:
        """How many pages each file has whose pages are shared out among volumes."""
        counts: Counter[Path] = Counter()
        for piece in (piece for volume in self.acquisition.volumes for piece in volume.pieces):
            counts[piece.path] += len(piece.pages or ())
        return counts

    def _plain(self, piece: Piece) -> tuple[str, PageRange]:
        """Return a piece as what Snakemake can compare with an earlier run's."""
        pages = piece.pages
        whole = self._page_counts[piece.path]
        return str(piece.path), None if pages is None else (pages.start, pages.stop, pages.step, whole)

    def tiles(self, channel: str, block: str) -> list[tuple[int, Tiles]]:
        """Return per timepoint of a block the tiles of its volume, none of a missing one."""
        volumes = ((t, self._volumes[channel, t]) for t in self.blocks[block])
        return [
            (t, [(tile.position, [self._plain(piece) for piece in tile.pieces]) for tile in volume.tiles])
            for t, volume in volumes
        ]

    def psf_file(self, channel: str) -> str:
        """Return a channel's PSF file: as the configuration says, or else beside the images."""
        name = Path(self.config["psf"]["files"][channel]).expanduser()
        beside = self.acquisition.folder / name
        if not name.exists() and not beside.exists():
            raise InputError(
                f"config key psf.files.{channel}: there is no file {name}, neither as it stands nor as {beside}"
            )
        return str(name if name.exists() else beside)

    def psf_settings(self) -> dict[str, Any]:
        """Return what changes a prepared PSF, besides its file."""
        psf = self.config["psf"]
        return {
            "psf_voxel_size": psf["voxel_size"],
            "voxel_size": self.config["voxel_size"],
            "background": psf["background"],
        }

    @cached_property
    def layouts(self) -> dict[str, StoreLayout]:
        """Layout of raw and of result volumes."""
        output = self.config["output"]
        dtypes = {"raw": self.dtype, "result": output["dtype"]}
        return {
            kind: StoreLayout.plan(self.shape, self.config["voxel_size"], dtypes[kind], output["codec"])
            for kind in KINDS
        }

    def settings(self) -> dict[str, Any]:
        """Return what changes a deconvolved volume, besides its pixels and its PSF; background per channel."""
        asked = self.config["deconvolution"]
        background = asked["background"]
        per_channel = background if isinstance(background, Mapping) else dict.fromkeys(self.channels, background)
        return {
            **{key: asked[key] for key in ("engine", "iterations", "boundary", "acceleration")},
            "background": {channel: per_channel[channel] for channel in self.channels},
            **{key: self.config["output"][key] for key in ("dtype", "scale")},
        }

    def manifest(self, kind: str, channel: str, block: str) -> str:
        """Return the manifest that speaks of a channel's raw or result volumes in a block."""
        return self.ingest_manifest(channel, block) if kind == "raw" else self.deconvolve_manifest(block)

    def ingest_manifest(self, channel: str, block: str) -> str:
        """Return the declared output of an ingest job."""
        return str(self.results.manifest(f"ingest.{channel}.{block}"))

    def deconvolve_manifest(self, block: str) -> str:
        """Return the declared output of a deconvolve job."""
        return str(self.results.manifest(f"deconvolve.{block}"))

    def manifests(self) -> list[str]:
        """Return the declared outputs of all ingest and deconvolve jobs."""
        ingest = [self.ingest_manifest(channel, block) for channel in self.channels for block in self.blocks]
        return ingest + [self.deconvolve_manifest(block) for block in self.blocks]

    def volumes(self) -> Iterator[tuple[str, str, int]]:
        """Yield channel, block and timepoint of every volume."""
        for block, timepoints in self.blocks.items():
            for timepoint in timepoints:
                for channel in self.channels:
                    yield channel, block, timepoint

    def has(self, key: VolumeKey) -> bool:
        """Tell whether a volume has a record and the shards that it names."""
        return self._is_whole(key, read_record(self.results.record(key)))

    def _is_whole(self, key: VolumeKey, record: Record | None) -> bool:
        if not record or record["status"] != "done":
            return False
        return shards_exist(record["shards"], self.results, key)

    def agreed(self) -> Iterator[tuple[str, VolumeKey, Record | None]]:
        """Yield for each volume its manifest, its key, and its record if that says done, as the manifest does."""
        said = {path: read_json(Path(path)) or {} for path in self.manifests()}
        for channel, block, timepoint in self.volumes():
            for kind in KINDS:
                manifest, key = self.manifest(kind, channel, block), VolumeKey(kind, channel, timepoint)
                record = read_record(self.results.record(key))
                fingerprint = said[manifest].get(f"{channel}/{timepoint}")
                if record and (record["status"] != "done" or record["fingerprint"] != fingerprint):
                    record = None
                yield manifest, key, record

    def failures(self) -> list[str]:
        """Return a sentence for each volume whose record says that it could not be done."""
        found = []
        for channel, _, timepoint in self.volumes():
            for kind in KINDS:
                key = VolumeKey(kind, channel, timepoint)
                record = read_record(self.results.record(key))
                if record and record["status"] == "failed":
                    found.append(f"{key}: {record['error']}")
        return found

    def lost(self) -> set[str]:
        """Return the manifests whose work is no longer all there, so that Snakemake must run their jobs again.

        Snakemake sees only manifests; a deleted shard, or one that consolidation found damaged, shows here.
        """
        again = {
            manifest
            for manifest, key, record in self.agreed()
            if Path(manifest).exists() and not self._is_whole(key, record)
        }
        published = self.results.manifest("consolidate")
        if published.exists() and not self._is_published():
            again.add(str(published))
        return again

    def _is_published(self) -> bool:
        """Tell whether every shard and the provenance stand where readers look for them."""
        copies = (self.results.folder / name_measured_psf(channel) for channel in self.channels)
        places = [*self.results.provenance, *copies]
        stores = {self.results.store: "result", **{self.results.raw_store(c): "raw" for c in self.channels}}
        for store, kind in stores.items():
            levels = len(self.layouts[kind].levels)
            for t in range(self.acquisition.timepoints):
                indices = [(t, c) for c in range(len(self.channels))] if kind == "result" else [(t,)]
                places += [shard_path(store, level, index) for level in range(levels) for index in indices]
        return all(place.exists() for place in places)

    @property
    def volume(self) -> str:
        """What one of the volumes is like, in words."""
        size = " x ".join(f"{self.config['voxel_size'][axis]:g}" for axis in "zyx")
        return f"{self.shape} {self.dtype} (z, y, x), voxels of {size} micrometre"

    def begin(self) -> None:
        """Write down which files this run is about, for its jobs, before the first of them starts."""
        found = self.acquisition
        write_json(self.results.files, {"names": found.names_seen, "waiting": found.waiting})

    def summary(self) -> str:
        """Say in one line what the run will make, and refuse it if the disk cannot hold that.

        Raises
        ------
        InputError
            If the output folder cannot be written, or its disk is too small for what is still to be made.
        """
        every = list(self.volumes())
        need = sum(
            self.layouts[kind].volume_bytes()
            for kind in KINDS
            for channel, _, timepoint in every
            if not self.has(VolumeKey(kind, channel, timepoint))
        )
        self._check_disk(need)
        z, y, x = self.shape
        return (
            f"{self.config['name']}: {self.acquisition.timepoints} timepoints x {len(self.channels)} channels "
            f"({', '.join(self.channels)}) = {len(every)} volumes of ({z}, {y}, {x}) {self.dtype}; "
            f"still to be written: at most {format_size(need)} into {self.results.folder}"
        )

    def _check_disk(self, need: int) -> None:
        folder = self.results.folder.absolute()
        while not folder.exists():
            folder = folder.parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise InputError(
                f"config key output.folder: {self.results.folder} cannot be made, because {folder} is not a folder "
                "that you may write to"
            )
        free = shutil.disk_usage(folder).free
        if need > free:
            raise InputError(
                f"{self.results.folder} needs up to {format_size(need)} more (raw and result volumes with their "
                f"pyramids, not compressed), but its disk has {format_size(free)} free: make room, or name another "
                "disk in output.folder"
            )
