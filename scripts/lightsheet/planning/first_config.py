"""A first configuration for images of which nothing is known but what lies in their folder: commented, with its gaps.

What only a person knows is TODO there, which every run refuses with a sentence; what is guessed is called a guess.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lightsheet.acquisition import describe_acquisition
from lightsheet.planning.commented_yaml import Line, read_values, write_yaml
from lightsheet.planning.first_look import FirstLook, list_globs, look_at, split_prefixes
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

REMEDIES = ("image", "axes", "missing", "tiles", "fill", "ignore", "pattern")
"""Keys of `input`, the most particular first: of those that a refusal names, the first is to be said by a person."""

STANDINS = {"missing": "fill", "tiles": "edge-to-edge"}
"""With these the rest can be looked at, while the person has not chosen."""

GUESS = "A guess: "

MOST_PATTERNS = 5
"""The most patterns of files to leave out that a comment lists."""

UNKNOWN = {"z": 1, "y": 1, "x": 1, "override": True}
"""Voxels to look at images with whose own are not known."""


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
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.resolve().name.split(".")[0]).strip("-._")[:200] or "run"
    section, run = _try_input(look, _list_input(look))
    lines = {
        "name": Line(name, (f"Results go to results/{name}.",)),
        "input": Line(section),
    }
    voxels = find_voxels(look, run)
    if voxels.scan:
        section["scan"] = voxels.scan
    lines["voxel_size"] = Line(voxels.lines)
    lines["psf"] = Line(write_psf_section(look.folder, run))
    lines["deconvolution"] = Line(
        {
            "iterations": Line(
                10, ("`snakemake pilot` tries more and fewer, and shows them; auto: as the noise bears.",)
            ),
            "background": Line("auto", ("The camera's offset, in counts; auto: found in the darkest part.",)),
        }
    )
    lines["output"] = Line({"folder": Line("results")})
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


def _list_input(look: FirstLook) -> dict[str, Line]:
    lines = {"folder": Line(str(look.folder))}
    if look.names:
        notes = [f"{GUESS if look.is_guess else ''}{look.notes[0]}.", *(f"{n}." for n in look.notes[1:])]
        if look.pattern is None:
            notes = [f"{look.notes[0]}. Write a template, such as CH{{channel}}_{{timepoint}}.tif."]
        lines["pattern"] = Line(look.pattern or TODO, tuple(notes))
        choice = tuple(f"{GUESS}{note}." for note in look.choice)
        lines["ignore"] = Line(list(look.ignore), choice or ("Names to leave out.",))
    return lines


def _try_input(look: FirstLook, lines: dict[str, Line]) -> tuple[dict[str, Line], Run | None]:
    """Return the section with what is to be said for its files to be understood, and a run with which they were."""
    standins: dict[str, Any] = {}
    is_part_ignored = False
    for _ in range(len(STANDINS) + 3):
        if TODO in (line.value for name, line in lines.items() if name not in standins):
            return lines, None
        section = {**read_values(lines), **standins}
        try:
            return lines, prepare_run({"name": "first-look", "input": section, "voxel_size": UNKNOWN}, needs_psfs=False)
        except InputError as error:
            sentence, ignore = str(error), error.ignore
        if "ignore" not in standins and (prefixes := _leave_out_prefixes(look, lines, sentence)):
            lines = {**lines, "ignore": prefixes}
            standins["ignore"] = prefixes.value
            continue
        name = next((key for key in REMEDIES if f"input.{key}" in sentence), "")
        if not name:  # nothing to be written helps: a file is damaged, say
            raise InputError(sentence)
        if not is_part_ignored:  # else what is ignored for now may be what is missing
            lines = {**lines, name: Line(TODO, _explain_refusal(name, sentence, section, ignore))}
        if name in STANDINS:
            standins[name] = STANDINS[name]
        if ignore:
            standins["ignore"], is_part_ignored = [*section.get("ignore", ()), *ignore], True
    return lines, None


def _explain_refusal(name: str, sentence: str, section: Mapping[str, Any], ignore: Sequence[str]) -> tuple[str, ...]:
    """Say why a key of `input` is open, what to write there as the folder is, and what when it has been mended."""
    sentences = [f"As it is, a run would be refused: {sentence}."]
    usual_globs = section.get("ignore", ())
    all_globs = json.dumps([*usual_globs, *ignore], ensure_ascii=False)
    if name == "ignore" and 0 < len(ignore) <= MOST_PATTERNS:
        sentences.append(f"To leave out what is named, write {all_globs} here.")
    usual = {"missing": "error", "ignore": json.dumps([*usual_globs], ensure_ascii=False)}
    if name in usual:
        sentences.append(f"When that is mended in the folder, write {usual[name]} here.")
    return tuple(sentences)


def _leave_out_prefixes(look: FirstLook, lines: Mapping[str, Line], sentence: str) -> Line | None:
    """Leave out all acquisitions but the largest, where several are told apart by how their names begin."""
    if look.pattern is None or "input.ignore" not in sentence:
        return None
    groups = split_prefixes(look.names, look.pattern)
    first, *rest = groups.values()
    if not rest or len(first) == len(rest[0]):
        return None
    ignore = [*lines["ignore"].value, *list_globs([name for group in rest for name in group], first)]
    beginning = next(iter(groups))
    return Line(
        ignore, (f"A guess: most names begin with {beginning!r}, and those that begin otherwise are left out.",)
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
    for key, value, comments in _walk(lines):
        if comments and comments[0].startswith(GUESS):
            statement = f"{key} is {value}" if isinstance(value, str) else key
            yield f"{statement}: {' '.join((comments[0].removeprefix(GUESS), *comments[1:]))}"


def _list_open_lines(lines: Mapping[str, Line]) -> Iterator[str]:
    """Yield what is to be said, keys with one reason together."""
    keys: dict[str, list[str]] = defaultdict(list)
    for key, value, comments in _walk(lines):
        if value == TODO:
            keys[" ".join(comments)].append(key)
    yield from (f"{', '.join(names)}: {reason}" for reason, names in keys.items())


def _walk(
    lines: Mapping[str, Line], key: str = "", inherited: tuple[str, ...] = ()
) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    """Yield each key with its value and its comments, or else those of its section."""
    for name, (value, comments) in lines.items():
        path = f"{key}.{name}" if key else name
        yield path, value, comments or inherited
        if isinstance(value, Mapping):
            yield from _walk({k: item for k, item in value.items() if isinstance(item, Line)}, path, comments)
