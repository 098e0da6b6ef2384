"""One run of the workflow: its volumes and blocks, their sources and settings, and the manifests of its jobs."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lightsheet.acquisition import Acquisition, Volume
from lightsheet.processing import describe_piece, find_geometry, list_choice_basis
from lightsheet.run.blocks import BlockSizes, choose_sizes, cut_timepoints, find_block, find_blocks, write_sizes
from lightsheet.run.file_list import write_file_list
from lightsheet.run.psf_file import locate_psf
from lightsheet.run.scan_geometry import describe_scan, list_scan_settings, read_scan
from lightsheet.run.selection import describe_share
from lightsheet.run.settings import list_psf_settings, list_settings
from lightsheet.scan import OutputGeometry, Scan
from lightsheet.sources import Facts, Region, SourceStats, Tiles, is_selection, list_pieces
from lightsheet.store import Record, Results, StoreLayout, VolumeKey, read_records

KINDS = ("raw", "result")


@dataclass(frozen=True)
class Run:
    """One run of the workflow."""

    config: Mapping[str, Any]  # checked, defaults filled in
    acquisition: Acquisition  # the files of the folder by volume
    shape: tuple[int, int, int]  # (z, y, x) of a volume, its tiles assembled, or of the part that is selected
    dtype: str  # of the raw volumes
    file_stats: SourceStats = field(default_factory=SourceStats, repr=False)
    written_sizes: BlockSizes | None = None  # of blocks, by the first run in this folder
    facts: Facts | None = field(default=None, repr=False)  # what every file must say of itself, as a typical one does
    region: Region | None = None  # the part of each volume that is selected, if not all of it is; it has the shape
    store_state: Mapping[str, Any] | None = field(default=None, repr=False)  # what of Zarr stores is used, see `Survey`

    @cached_property
    def results(self) -> Results:
        """Where everything goes."""
        return Results(Path(self.config["output"]["folder"]) / self.config["name"])

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels, in the order of the store."""
        return self.acquisition.channels

    @property
    def timepoints(self) -> Sequence[int]:
        """The timepoints of the volumes, in the order of the store; of a selection, those of the whole acquisition."""
        return self.acquisition.time_axis

    @cached_property
    def _places(self) -> dict[int, int]:
        """Where each timepoint is on the time axis of the store."""
        return {timepoint: place for place, timepoint in enumerate(self.timepoints)}

    @cached_property
    def chosen_sizes(self) -> BlockSizes:
        """Timepoints of a job where the configuration does not say: as written down, so that no later run sees others.

        Neither the size of its volumes, nor their number, nor another version of the workflow can change them.
        """
        volume_bytes = math.prod(self.shape) * np.dtype(self.dtype).itemsize
        return self.written_sizes or choose_sizes(volume_bytes, len(self.channels), self.acquisition.timepoints)

    @property
    def _deconvolve_size(self) -> int | None:
        size = self.config["deconvolution"]["timepoints_per_job"]
        return self.chosen_sizes.deconvolve if size == "auto" else size

    @cached_property
    def ingest_blocks(self) -> dict[str, Sequence[int]]:
        """Timepoints of each ingest job of a channel, by the block's name."""
        return self._cut_timepoints(self.chosen_sizes.ingest)

    @cached_property
    def blocks(self) -> dict[str, Sequence[int]]:
        """Timepoints of each deconvolve job, by the block's name."""
        return self._cut_timepoints(self._deconvolve_size)

    def _cut_timepoints(self, size: int | None) -> dict[str, Sequence[int]]:
        blocks = cut_timepoints(self.acquisition.timepoints, size)
        return {name: self.timepoints[places.start : places.stop] for name, places in blocks.items()}

    @cached_property
    def layouts(self) -> dict[str, StoreLayout]:
        """Layout of raw and of result volumes."""
        output, geometry = self.config["output"], self.geometry
        dtypes = {"raw": self.dtype, "result": output["dtype"]}
        shapes = {"raw": self.shape, "result": geometry.shape if geometry else self.shape}
        return {
            kind: StoreLayout.plan(shapes[kind], self.voxel_sizes[kind], dtypes[kind], output["codec"])
            for kind in KINDS
        }

    @property
    def geometry(self) -> OutputGeometry | None:
        """How results lie in the sample; None of straight images, whose results lie as these do."""
        return find_geometry(self.settings, self.shape)

    @property
    def voxel_sizes(self) -> dict[str, dict[str, float]]:
        """Voxel size of raw and of result volumes: z, y and x in micrometre."""
        size = {axis: self.config["voxel_size"][axis] for axis in "zyx"}
        return {"raw": size, "result": self.geometry.measure_voxels(size) if self.geometry else size}

    @property
    def scan_settings(self) -> dict[str, Any]:
        """How the stage moved and in which geometry results are stored; see `list_scan_settings`."""
        return list_scan_settings(self.config)

    @property
    def scan(self) -> Scan | None:
        """How the stage moved from plane to plane of the images; None where they are straight."""
        return read_scan(self.scan_settings.get("scan"), self.config["voxel_size"])

    def psf_scan(self, channel: str) -> Scan | None:
        """Return how the stage moved from plane to plane of a channel's bead; None where it is straight."""
        settings = self.psf_settings[channel]
        return read_scan(settings.get("psf_scan"), settings["psf_voxel_size"])

    @property
    def settings(self) -> dict[str, Any]:
        """What changes a deconvolved volume, besides its pixels and its PSF, as the configuration has it.

        The background is per channel. What is auto is chosen once for a channel, see `choices`, and whether there is
        fill.
        """
        return list_settings(self.config, self.channels)

    @property
    def choice_bases(self) -> dict[str, dict[str, Any]]:
        """Per channel, what the choice from its pixels rests on."""
        background, fill = self.settings["background"], self.settings["fill"]
        return {c: list_choice_basis(self.shape, self.dtype, background[c], fill, self.region) for c in self.channels}

    @cached_property
    def psf_settings(self) -> dict[str, dict[str, Any]]:
        """What changes the PSF that is prepared for each channel, besides its file; empty while PSFs are not named."""
        if not self.config["psf"]["files"]:
            return {}
        return {c: list_psf_settings(self.config, c, Path(self.find_psf_file(c))) for c in self.channels}

    def find_psf_file(self, channel: str) -> str:
        """Return a channel's PSF file: as the configuration says, or else beside the images."""
        return locate_psf(self.config["psf"]["files"], self.acquisition.folder, channel)

    @cached_property
    def _volumes(self) -> dict[tuple[str, int], Volume]:
        return {volume.key: volume for volume in self.acquisition.volumes}

    def list_sources(self, channel: str) -> list[str]:
        """Return the TIFF files of a channel."""
        volumes = (self._volumes[channel, t] for t in self.timepoints)
        return list(dict.fromkeys(str(piece.path) for volume in volumes for piece in volume.pieces))

    def list_tiles(self, channel: str, timepoints: Iterable[int]) -> list[tuple[int, Tiles]]:
        """Return per timepoint the tiles of a channel's volume, none of a missing one."""
        return [(t, self.list_volume_tiles(channel, t)) for t in timepoints]

    def list_volume_tiles(self, channel: str, timepoint: int) -> Tiles:
        """Return the tiles of a volume, none of a missing one."""
        return self.acquisition.list_tiles(self._volumes[channel, timepoint])

    def describe_sources(self, channel: str, timepoint: int) -> list[dict[str, Any]]:
        """Return what the record of a raw volume would say of its files, but for their digests."""
        pieces = list_pieces(self.list_volume_tiles(channel, timepoint))
        return [describe_piece(path, pages, *self.file_stats[path, pages][:3]) for path, pages in pieces]

    @cached_property
    def keeps_raw(self) -> bool:
        """Whether raw volumes are copied into stores of their own; else each is read where its files are."""
        if self.config["output"]["raw"] != "auto":
            return bool(self.config["output"]["raw"] == "keep")
        pieces = next((volume.pieces for volume in self.acquisition.volumes if volume.tiles), ())
        return not any(is_selection(piece.pages) for piece in pieces[:1])

    def list_block_sources(self, block: str) -> dict[str, Any] | None:
        """Return where a deconvolve job reads its volumes, in builtin types; None where it reads raw stores."""
        if self.keeps_raw:
            return None
        tiles = {channel: self.list_tiles(channel, self.blocks[block]) for channel in self.channels}
        kind = {"shape": self.shape, "dtype": self.dtype, "region": self.region}
        return {**kind, "facts": self.facts, "tiles": tiles}

    def read_records(self) -> dict[VolumeKey, Record | None]:
        """Read the records of all volumes; None where there is none."""
        return read_records(self.results, self.list_keys(), map(Path, self.list_manifests()))

    def list_keys(self) -> list[VolumeKey]:
        """Return the keys of all volumes, raw and result."""
        return [VolumeKey(kind, channel, t) for t in self.timepoints for channel in self.channels for kind in KINDS]

    def find_index(self, key: VolumeKey) -> tuple[int, ...]:
        """Return where the store of its kind has a volume: (t,) of a raw one, (t, c) of a result."""
        place = self._places[key.timepoint]
        return (place,) if key.kind == "raw" else (place, self.channels.index(key.channel))

    def name_ingest_manifest(self, channel: str, block: str) -> str:
        """Return the declared output of an ingest job."""
        return str(self.results.manifest(f"ingest.{channel}.{block}"))

    def name_deconvolve_manifest(self, block: str) -> str:
        """Return the declared output of a deconvolve job."""
        return str(self.results.manifest(f"deconvolve.{block}"))

    def find_manifest(self, key: VolumeKey) -> str:
        """Return the declared output of the job that makes a volume."""
        place = self._places[key.timepoint]
        if key.kind == "raw" and self.keeps_raw:
            return self.name_ingest_manifest(key.channel, find_block(place, self.chosen_sizes.ingest))
        return self.name_deconvolve_manifest(find_block(place, self._deconvolve_size))

    def list_ingest_manifests(self, block: str) -> list[str]:
        """Return the declared outputs of the ingest jobs whose volumes a deconvolve job needs, if these are kept."""
        if not self.keeps_raw:
            return []
        timepoints = self.blocks[block]
        first, last = self._places[timepoints[0]], self._places[timepoints[-1]]
        ingest_blocks = find_blocks(first, last, self.chosen_sizes.ingest)
        return [self.name_ingest_manifest(channel, name) for channel in self.channels for name in ingest_blocks]

    def list_manifests(self) -> list[str]:
        """Return the declared outputs of all ingest and deconvolve jobs."""
        blocks = self.ingest_blocks if self.keeps_raw else ()
        ingest = [self.name_ingest_manifest(channel, block) for channel in self.channels for block in blocks]
        return ingest + [self.name_deconvolve_manifest(block) for block in self.blocks]

    def describe_share(self) -> str:
        """Say which part of the acquisition is selected; empty if all of it is."""
        return describe_share(self.acquisition, self.region)

    def describe_volume(self) -> str:
        """Say the shape, dtype and voxel size of each volume, or of the part of it that is selected."""
        size = " x ".join(f"{self.config['voxel_size'][axis]:.6g}" for axis in "zyx")
        return f"{self.shape} {self.dtype} (z, y, x), voxels of {size} micrometre{describe_scan(self.config)}"

    def record_files(self) -> None:
        """Write down which files this run is about, for its jobs, before the first of them starts."""
        write_file_list(self.results, self.acquisition, self.store_state)

    def record_blocks(self) -> None:
        """Write down into which blocks this run is cut, for its jobs and for later runs."""
        write_sizes(self.results.blocks, self.chosen_sizes)
