"""Images of beads that lie beside an acquisition, and which channel each is likely of."""

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from lightsheet.acquisition import is_tiff, make_natural_key, parse_name
from lightsheet.planning.first_look import PSF_WORDS
from lightsheet.sources import is_zarr, read_metadata
from lightsheet.system import InputError

WAVELENGTH = re.compile(r"(?<!\d)[3-8]\d\d(?!\d)")
"""A number in a name that may be one, in nm."""


class PsfMatch(NamedTuple):
    """The file that is likely the PSF of a channel, None if there is none or there are several; and why."""

    path: Path | None
    reason: str


def find_psf_files(folder: Path, images: Collection[Path] = ()) -> list[Path]:
    """Find TIFFs that are called PSFs or beads, or lie in a folder that is, in a folder of images and beside it.

    Folders between it and the first of the `images` are looked at, too; images themselves are no PSFs.
    """
    inner = [parent for image in list(images)[:1] for parent in image.parents if parent.is_relative_to(folder)]
    parent_folder = Path(os.path.normpath(folder / ".."))
    files: list[Path] = []
    for parent in dict.fromkeys([parent_folder, *(() if is_zarr(folder) else (folder, *reversed(inner)))]):
        for entry in _list_folder(parent):
            if not PSF_WORDS.search(entry.name):
                continue
            files += [path for path in (_list_folder(entry) if entry.is_dir() else [entry]) if is_tiff(path.name)]
    excluded_files = set(images)
    return [
        path for path in dict.fromkeys(files) if path not in excluded_files and path.is_file() and path.name[0] != "."
    ]


def _list_folder(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir(), key=lambda path: make_natural_key(path.name))
    except OSError:
        return []


def match_psfs(wavelengths: Mapping[str, int | None], files: Sequence[Path]) -> dict[str, PsfMatch]:
    """Match channels, with their wavelengths in nm, and files by wavelength, or else by the channel's name."""
    if len(wavelengths) == len(files) == 1 and not _has_other_wavelength(files[0], *wavelengths.values()):
        return dict.fromkeys(wavelengths, PsfMatch(files[0], "the only one that was found"))
    matches = {channel: _match(channel, nm, files) for channel, nm in wavelengths.items()}
    shares = Counter((match.path, wavelengths[channel]) for channel, match in matches.items())
    uses = Counter(path for path, _ in shares)
    return {
        channel: match
        if match.path is None or uses[match.path] == 1
        else PsfMatch(None, f"{match.path.name} could be of several channels")
        for channel, match in matches.items()
    }


def _has_other_wavelength(path: Path, nm: int | None) -> bool:
    """Tell whether a name has numbers that may be wavelengths, but not that one."""
    numbers = set(map(int, WAVELENGTH.findall(path.stem)))
    return bool(numbers) and nm not in numbers


def _match(channel: str, nm: int | None, files: Sequence[Path]) -> PsfMatch:
    if not files:
        reason = "no file called psf or bead was found, nor a folder, here or beside the images; docs/psf.md tells more"
        return PsfMatch(None, reason)
    candidates = [path for path in files if nm is None or not _has_other_wavelength(path, nm)]
    numbers = [str(nm)] if nm else WAVELENGTH.findall(channel)  # `ch488`, of which nobody said that it is a wavelength
    for word in [*numbers, channel, *channel.split("_")]:
        hits = [
            path
            for path in candidates
            if re.search(rf"(?<![a-z0-9]){re.escape(word)}(?:nm)?(?![a-z0-9])", path.stem, re.I)
        ]
        if len(hits) == 1:
            return PsfMatch(hits[0], f"its name has {word}")
        if hits:
            return PsfMatch(None, f"{_name(hits)} have {word} in their names: which is it?")
    folders = " and ".join(dict.fromkeys(str(path.parent) for path in files[:5]))
    return PsfMatch(None, f"no name of {_name(files)} in {folders} tells that it is of this channel")


def _name(files: Sequence[Path]) -> str:
    names = [path.name for path in files[:5]]
    return ", ".join(names) + (f" and {len(files) - 5} more" if len(files) > 5 else "")


def find_psf_voxels(files: Iterable[Path]) -> tuple[set[str], float | None]:
    """Return the axes whose voxel size all of these files tell, and the planes' distance in um that all names tell."""
    files = list(files)
    axes = [set(read_metadata(path).voxel_size) for path in files]
    steps = {_read_step(path.name) for path in files}
    return (set("zyx").intersection(*axes) if axes else set()), steps.pop() if len(steps) == 1 else None


def _read_step(name: str) -> float | None:
    try:
        step = parse_name(name).get("z_step_um")
    except InputError:
        return None
    return step if isinstance(step, float) else None
