"""The stores of a finished run, as viewers and exports need them: which channel is where, its look, its pyramid."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from lightsheet.store.ngff import list_colours, read_ome
from lightsheet.store.paths import Results, shard_path
from lightsheet.store.pyramid import Level
from lightsheet.store.shard import iterate_chunks
from lightsheet.store.volumes import open_shard
from lightsheet.system import PART, InputError, read_json

SUFFIX = ".ome.zarr"


@dataclass(frozen=True)
class PublishedChannel:
    """One channel of a published image.

    Parameters
    ----------
    omero : mapping
        What the store says of its label, colour and contrast, see `lightsheet.store.ngff.describe_channels`.
    store : Path
        The OME-Zarr that holds it.
    index : tuple of int
        Where it lies there after the timepoint: (c,) in a result, () in a raw store.
    """

    omero: Mapping[str, Any]
    store: Path
    index: tuple[int, ...]

    @property
    def name(self) -> str:
        """As in the configuration."""
        return str(self.omero["label"])

    @property
    def colour(self) -> str:
        """RRGGBB."""
        return str(self.omero["color"])

    @property
    def window(self) -> tuple[float, float]:
        """The stored values that are shown black and in full colour."""
        return self.omero["window"]["start"], self.omero["window"]["end"]


@dataclass(frozen=True)
class FinishedResults(Results):
    """A folder of results, which may have another name than its run.

    Parameters
    ----------
    run : str
        The run's name.
    """

    run: str

    @property
    def name(self) -> str:
        """The run's name."""
        return self.run


@dataclass(frozen=True)
class PublishedImage:
    """The raw or the deconvolved volumes of a finished run, all channels.

    Parameters
    ----------
    name : str
        The run's.
    channels : tuple of Channel
        In the order of the result.
    levels : tuple of Level
        From the full resolution down.
    voxel_size : mapping
        `z`, `y` and `x` in micrometre.
    dtype : numpy.dtype
        Of the voxels.
    interval : float or None
        Seconds from one timepoint to the next, the median, as far as known.
    seconds : tuple of (float or None)
        From the first timepoint to each, None where not known.
    missing : frozenset of (str, int)
        Channel and timepoint of the holes.
    """

    name: str
    channels: tuple[PublishedChannel, ...]
    levels: tuple[Level, ...]
    voxel_size: Mapping[str, float]
    dtype: np.dtype[Any]
    interval: float | None
    seconds: tuple[float | None, ...]
    missing: frozenset[tuple[str, int]]

    @property
    def timepoints(self) -> range:
        """All of them."""
        return range(len(self.seconds))

    def bands(
        self, channel: PublishedChannel, timepoint: int, number: int, *, whole_planes: bool = False
    ) -> Iterator[tuple[tuple[slice, ...], np.ndarray]]:
        """Read a volume, band by band.

        Parameters
        ----------
        channel : Channel
            One of the image's.
        timepoint : int
            Index on the time axis.
        number : int
            Of the pyramid's level.
        whole_planes : bool
            A band has as many planes as an inner chunk, and all their rows; unless that is wanted, as many rows as an
            inner chunk.

        Yields
        ------
        tuple of slice, numpy.ndarray
            Planes and rows, and their voxels (z, y, x).

        Raises
        ------
        InputError
            If the volume's shard is missing (Zarr itself would read zeros) or damaged.
        """
        shard = shard_path(channel.store, number, (timepoint, *channel.index))
        shape, (depth, height, _) = self.levels[number].shape[:2], self.levels[number].chunk
        if not shard.exists():
            raise InputError(f"{shard} is missing; run the workflow again to make it anew")
        try:
            source = open_shard(shard, channel.store / str(number))
            for planes, rows in iterate_chunks(shape, (depth, shape[1] if whole_planes else height)):
                yield (planes, rows), source[planes, rows]
        except ValueError as error:
            raise InputError(f"{shard} {error}; remove it and run the workflow again to make it anew") from error


def find_finished(folder: Path) -> Results:
    """Return the results of a finished run.

    Parameters
    ----------
    folder : Path
        `results/NAME`, or a copy of it or a link to it, which may have any name.

    Returns
    -------
    Results
        With the folder's absolute path.

    Raises
    ------
    InputError
        If the folder does not hold the published store of one run.
    """
    folder = folder.absolute()
    stores = [place.parent.name for place in folder.glob(f"*{SUFFIX}/zarr.json")]
    names = [name.removesuffix(SUFFIX) for name in stores if not name.startswith(PART)]
    if len(names) != 1:
        found = ", ".join(f"{name}{SUFFIX}" for name in sorted(names)) or f"no NAME{SUFFIX}"
        raise InputError(
            f"{folder}: there is {found} in it; name the folder of one finished run, such as results/demo, or run the "
            "workflow to its end"
        )
    return FinishedResults(folder, names[0])


def read_image(results: Results, kind: str) -> PublishedImage:
    """Read what the stores say of themselves; no voxel is read yet.

    Parameters
    ----------
    results : Results
        A finished run.
    kind : str
        `raw` or `result`.

    Returns
    -------
    Image
        All its channels.

    Raises
    ------
    InputError
        If a store is not published.
    """
    described = read_ome(results.store)
    if kind == "result":
        channels = tuple(
            PublishedChannel(omero, results.store, (c,)) for c, omero in enumerate(described["omero"]["channels"])
        )
    else:
        stores = [results.raw_store(name) for name in list_colours(described)]
        channels = tuple(PublishedChannel(read_ome(store)["omero"]["channels"][0], store, ()) for store in stores)
    holes = [hole for channel in channels for hole in _extra(channel.store).get("missing", ())]
    missing = frozenset((hole["channel"], hole["timepoint"]) for hole in holes)
    return PublishedImage(results.name, channels, **_axes(channels[0].store), missing=missing)


def _axes(store: Path) -> dict[str, Any]:
    """Return what all channels have in common."""
    described = read_ome(store)["multiscales"][0]
    scales = [level["coordinateTransformations"][0]["scale"] for level in described["datasets"]]
    arrays = [zarr.open_array(store / level["path"], mode="r") for level in described["datasets"]]
    return {
        "levels": tuple(_level(array, scale, scales[0]) for array, scale in zip(arrays, scales, strict=True)),
        "voxel_size": dict(zip("zyx", scales[0][-3:], strict=True)),
        "dtype": arrays[0].dtype,
        "interval": scales[0][0] if "unit" in described["axes"][0] else None,
        "seconds": tuple(_extra(store).get("seconds") or [None] * arrays[0].shape[0]),
    }


def _level(array: Any, scale: Sequence[float], finest: Sequence[float]) -> Level:
    z, y, x = (round(here / there) for here, there in zip(scale[-3:], finest[-3:], strict=True))
    return Level(array.shape[-3:], array.chunks[-3:], (z, y, x))


def _extra(store: Path) -> Any:
    """Return what a store says beyond OME's words; those of earlier versions say nothing."""
    return read_json(store / "zarr.json")["attributes"].get("lightsheet", {})
