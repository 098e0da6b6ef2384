"""The section `input` of a first configuration: of the files what is understood, else what a person must say."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lightsheet.planning.commented_yaml import GUESS, Line, read_values
from lightsheet.planning.first_look import FirstLook, list_globs, split_prefixes
from lightsheet.run import TODO, Run, prepare_run
from lightsheet.system import InputError

REMEDIES = ("image", "axes", "missing", "tiles", "fill", "ignore", "pattern")
"""Keys of `input`, the most particular first: of those that a refusal names, the first is to be said by a person."""

STANDINS = {"missing": "fill", "tiles": "edge-to-edge"}
"""With these the rest can be looked at, while the person has not chosen."""

MOST_PATTERNS = 5
"""The most patterns of files to leave out that a comment lists."""

UNKNOWN = {"z": 1, "y": 1, "x": 1, "override": True}
"""The voxel size with which images are looked at while their own is not known."""


def list_input(look: FirstLook) -> dict[str, Line]:
    """Return the section as a first look at the names has it."""
    lines = {"folder": Line(str(look.folder))}
    if look.names:
        notes = [f"{GUESS if look.is_guess else ''}{look.notes[0]}.", *(f"{n}." for n in look.notes[1:])]
        if look.pattern is None:
            notes = [f"{look.notes[0]}. Write a template, such as CH{{channel}}_{{timepoint}}.tif."]
        lines["pattern"] = Line(look.pattern or TODO, tuple(notes))
        choice = tuple(f"{GUESS}{note}." for note in look.choice)
        lines["ignore"] = Line(list(look.ignore), choice or ("Names to leave out.",))
    return lines


def try_input(look: FirstLook, lines: dict[str, Line]) -> tuple[dict[str, Line], Run | None]:
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
    return Line(ignore, (f"{GUESS}most names begin with {beginning!r}, and those that begin otherwise are left out.",))
