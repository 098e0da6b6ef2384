"""Small files of several channels and timepoints, what their names tell, and the volumes that they should unfold to."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile

from lightsheet.acquisition.model import Acquisition, Piece, Tile, Volume

SIZES = {"T": 3, "C": 2, "Z": 4, "Y": 5, "X": 6}


def pixels(axes: str = "TZCYX", **sizes: int) -> np.ndarray:
    """Every voxel different."""
    shape = [(SIZES | sizes)[axis] for axis in axes]
    return np.arange(np.prod(shape), dtype="uint16").reshape(shape)


def acquired(
    files: Sequence[Sequence[Path]], channels: tuple[str, ...] = ("ch0",), seconds: tuple[float, ...] | None = None
) -> Acquisition:
    """What the names of these files tell: each tuple of pieces a volume, by timepoint, then channel."""
    timepoints = len(files) // len(channels)
    volumes = [
        Volume(
            channels[index % len(channels)],
            index // len(channels),
            seconds[index // len(channels)] if seconds else None,
            (Tile((0, 0, 0), tuple(map(Piece, pieces))),) if pieces else (),
        )
        for index, pieces in enumerate(files)
    ]
    return Acquisition(
        folder=Path("data"),
        channels=channels,
        wavelengths=dict.fromkeys(channels),
        timepoints=timepoints,
        grid=(1, 1, 1),
        seconds=seconds,
        volumes=tuple(volumes),
        excluded_files=(),
        remarks=(),
    )


def read(volume: Volume) -> np.ndarray:
    """The planes of a volume of one tile, page by page."""
    planes = []
    for path, pages in volume.tiles[0].pieces:
        with tifffile.TiffFile(path) as file:
            planes += [file.pages[page].asarray() for page in (range(len(file.pages)) if pages is None else pages)]
    return np.stack(planes)


def write_ome(path: Path, image: np.ndarray, axes: str, **described: object) -> Path:
    tifffile.imwrite(path, image, ome=True, photometric="minisblack", metadata={"axes": axes, **described})
    return path


def write_plain(path: Path, planes: np.ndarray, description: str | None = None) -> Path:
    text = description.encode() if description else None
    tifffile.imwrite(
        path, planes.reshape(-1, *planes.shape[-2:]), photometric="minisblack", description=text, metadata=None
    )
    return path


def ome_xml(sizes: dict[str, int], files: Sequence[tuple[str, int]] = (), order: str = "XYCZT") -> str:
    """Describe a set of files, each with a number of pages."""
    entries, place = [], 0
    for name, pages in files:
        for page in range(pages):
            rest, first = place, {}
            for axis in order[2:]:
                rest, first[axis] = divmod(rest, sizes[axis])
            firsts = " ".join(f'First{axis}="{index}"' for axis, index in first.items())
            uuid = f'<UUID FileName="{name}">urn:uuid:{name}</UUID>'
            entries.append(f'<TiffData IFD="{page}" PlaneCount="1" {firsts}>{uuid}</TiffData>')
            place += 1
    numbers = " ".join(f'Size{axis}="{size}"' for axis, size in sizes.items())
    return (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image>'
        f'<Pixels DimensionOrder="{order}" {numbers}>{"".join(entries)}</Pixels></Image></OME>'
    )


def assert_unfolded(unfolded: Acquisition, image: np.ndarray, axes: str = "TZCYX") -> None:
    """Compare every volume with the array that was written."""
    image = np.moveaxis(image, [axes.index(axis) for axis in "TCZYX"], range(5))
    assert unfolded.timepoints == len(image)
    places = [(volume.timepoint, unfolded.channels.index(volume.channel)) for volume in unfolded.volumes]
    assert places == list(np.ndindex(image.shape[:2]))
    for volume, (t, c) in zip(unfolded.volumes, places, strict=True):
        np.testing.assert_array_equal(read(volume), image[t, c])
