"""The PSFs of a first configuration: those that likely belong to the channels, and what they do not tell."""

from pathlib import Path

from lightsheet.planning.commented_yaml import GUESS, Line
from lightsheet.planning.psf_files import find_psf_files, find_psf_voxels, match_psfs
from lightsheet.run import TODO, Run

ADVICE = "One measured PSF per channel, a TIFF stack of a bead, such as psf/488.tif."
SIZES = "If their files do not tell it, write psf.voxel_size, too: {z: ..., y: ..., x: ...}, in micrometre."


def write_psf_section(folder: Path, run: Run | None) -> dict[str, Line]:
    """Return the lines of `psf` for an acquisition in a folder; a run with its channels, if it is understood."""
    if run is None:
        return {"files": Line(TODO, (f"{ADVICE} Their channels are not known yet.",))}
    images = dict.fromkeys(piece.path for volume in run.acquisition.volumes for piece in volume.pieces)
    files = find_psf_files(folder, images)
    matches = match_psfs(run.acquisition.wavelengths, files)
    lines = {
        channel: Line(str(path), (f"{GUESS}{reason}.",)) if path else Line(TODO, (f"Not known: {reason}.",))
        for channel, (path, reason) in matches.items()
    }
    paths = [match.path for match in matches.values() if match.path] or files
    section = {"files": Line(lines, (ADVICE,) if paths else (ADVICE, SIZES))}
    if paths:  # where none was matched, each file may be the PSF of a channel
        axes, step = find_psf_voxels(paths)
        sizes = {axis: _write_axis(axis, step) for axis in "zyx" if axis not in axes}
        comment = "Of the PSFs; what is left out here, their files tell."
        section |= {"voxel_size": Line(sizes, (comment,))} if sizes else {}
    return section


def _write_axis(axis: str, step: float | None) -> Line:
    if axis == "z" and step:
        return Line(step, (f"{GUESS}the files' names have it.",))
    source = "the step of the piezo or stage" if axis == "z" else "often that of the images"
    return Line(TODO, (f"Not known: not all of the PSFs' files tell it; {source}.",))
