"""A first configuration for images of which nothing is known but what lies in their folder: commented, with its gaps.

What only a person knows is TODO there, which every run refuses with a sentence; what is guessed is called a guess.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lightsheet.acquisition import describe_acquisition
from lightsheet.planning.commented_yaml import GUESS, Line, read_values, walk_lines, write_yaml
from lightsheet.planning.first_input import list_input, try_input
from lightsheet.planning.first_look import look_at
from lightsheet.planning.first_psfs import write_psf_section
from lightsheet.planning.first_voxels import FirstVoxels, find_voxels
from lightsheet.run import TODO, Run, list_open_keys, prepare_run
from lightsheet.system import InputError, check_path, write_text

HEAD = """\
# Written by `lightsheet init`. What it could not know is {todo}: runs are refused until you have written it, with the
# reason above it; what it calls a guess is to be checked. `snakemake -c1 inventory --configfile {out}` shows what
# is understood, and works before PSFs are named. config/README.md explains the keys, config/config.yaml lists them all.
# Lengths are in micrometre.
"""

DECONVOLUTION = {
    "iterations": Line(10, ("`snakemake pilot` tries more and fewer, and shows them; auto: as the noise bears.",)),
    "background": Line("auto", ("The camera's offset, in counts; auto: found in the darkest part.",)),
}
"""What holds for any images."""


class FirstConfig(NamedTuple):
    """The text of a configuration, and what a person is told of it: what was understood, guessed, and is to be said."""

    text: str
    summary: str
    guesses: tuple[str, ...]
    open_keys: tuple[str, ...]
    run: Run | None  # with which the images were understood, if they were; the PSFs and the voxel size are not in it
    voxel_size: Mapping[str, float]  # z, y and x in micrometre, as far as known


def write_first_config(path: Path, out: Path, *, force: bool = False) -> FirstConfig:
    """Look at images and write a configuration for them.

    Parameters
    ----------
    path : Path
        A folder of TIFFs or of Zarr stores, one TIFF, or a Zarr store.
    out : Path
        The file to write.
    force : bool
        Whether it may replace a file.

    Returns
    -------
    FirstConfig, of which the text was written

    Raises
    ------
    InputError
        If the file is there already, or nothing can be read at the path; or if a run would be refused for what no
        configuration mends, such as a damaged file.
    """
    check_path(path)
    check_path(out)
    if out.exists() and not force:
        raise InputError(f"{out}: is there already; name another file with --out, or replace it with --force")
    first = make_first_config(path, out)
    write_text(out, first.text)
    return first


def make_first_config(path: Path, out: Path = Path("my.yaml")) -> FirstConfig:
    """Return what `write_first_config` would, and write nothing."""
    look = look_at(path)
    section, run = try_input(look, list_input(look))
    voxels = find_voxels(look, run)
    if voxels.scan:
        section["scan"] = voxels.scan
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.resolve().name.split(".")[0]).strip("-._")[:200] or "run"
    lines = {
        "name": Line(name, (f"Results go to results/{name}.",)),
        "input": Line(section),
        "voxel_size": Line(voxels.lines),
        "psf": Line(write_psf_section(look.folder, run)),
        "deconvolution": Line(DECONVOLUTION),
        "output": Line({"folder": Line("results")}),
    }
    _try_all(lines)
    head = HEAD.format(todo=TODO, out=out)
    return FirstConfig(
        text="\n".join([head, *write_yaml(lines)]).rstrip() + "\n",
        summary=_describe(run, voxels),
        guesses=tuple(_list_guesses(lines)),
        open_keys=tuple(_list_open_lines(lines)),
        run=run,
        voxel_size=voxels.sizes,
    )


def _try_all(lines: dict[str, Line]) -> None:
    """Prepare a run by the whole configuration, and make TODO what it would be refused for."""
    config = read_values(lines)
    open_keys = list(list_open_keys(config))
    if any(key.startswith("input") for key in open_keys):
        return
    sizes = {**config["voxel_size"], **{axis: 1 for axis in "zyx" if config["voxel_size"].get(axis) == TODO}}
    override = {"override": True} if config["voxel_size"].get("z") == TODO else {}
    config["voxel_size"] = {**sizes, **override}
    if not (sentence := _find_refusal(config, needs_psfs=not open_keys)):
        return
    if _find_refusal({**config, "psf": {}}, needs_psfs=False):
        key = "voxel_size" if "voxel_size" in sentence else "input"
        section = dict(lines[key].value)
        name = "scan" if key == "input" and "scan" in sentence else "z" if key == "voxel_size" else "pattern"
        section[name] = Line(TODO, (f"As it is, a run would be refused: {sentence}",))
        lines[key] = Line(section)
    else:
        section = dict(lines["psf"].value)
        section["files"] = Line(
            dict.fromkeys(section["files"].value, Line(TODO)), (f"A run would be refused: {sentence}",)
        )
        lines["psf"] = Line(section)


def _find_refusal(config: Mapping[str, Any], *, needs_psfs: bool) -> str:
    """Return why a run would be refused; empty if it would not."""
    try:
        prepare_run(config, needs_psfs=needs_psfs)
    except InputError as error:
        return str(error)
    return ""


def _describe(run: Run | None, voxels: FirstVoxels) -> str:
    if run is None:
        return "nothing yet: see what is to be said"
    z, y, x = run.shape
    return describe_acquisition(run.acquisition, f"({z}, {y}, {x}) {run.dtype} (z, y, x), {voxels.text}")


def _list_guesses(lines: Mapping[str, Line]) -> Iterator[str]:
    """Yield what is guessed, by key, as the comments have it."""
    for key, value, comments in walk_lines(lines):
        if comments and comments[0].startswith(GUESS):
            statement = f"{key} is {value}" if isinstance(value, str) else key
            yield f"{statement}: {' '.join((comments[0].removeprefix(GUESS), *comments[1:]))}"


def _list_open_lines(lines: Mapping[str, Line]) -> Iterator[str]:
    """Yield what is to be said, keys with one reason together."""
    keys: dict[str, list[str]] = defaultdict(list)
    for key, value, comments in walk_lines(lines):
        if value == TODO:
            keys[" ".join(comments)].append(key)
    yield from (f"{', '.join(names)}: {reason}" for reason, names in keys.items())
