"""File names as a table: what stands at the same place in each of them, and the label beside a number.

Like `discover`, it opens no file and imports nothing heavy.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lightsheet.acquisition.presets import SUFFIXES, ZARR_SUFFIX

_ENDING = re.compile(rf"(?i:(?:\.ome)?(?:{'|'.join(map(re.escape, (*SUFFIXES, ZARR_SUFFIX)))}))\Z")
_FIELD = re.compile(r"([^\W_]+)")
_RUN = re.compile(r"[0-9]+|[^0-9]+")


class Column(NamedTuple):
    """What stands at one place in each name: a number, or text; `labels` are the words before and behind it."""

    texts: tuple[str, ...]
    labels: tuple[str, str] = ("", "")
    is_number: bool = False

    @property
    def varies(self) -> bool:
        """Whether the names differ there."""
        return len(set(self.texts)) > 1

    @property
    def numbers(self) -> list[int]:
        """Its different numbers, in order."""
        return sorted(set(map(int, self.texts)))

    @property
    def is_counter(self) -> bool:
        """Whether its numbers have no gap."""
        return self.is_number and self.numbers[-1] - self.numbers[0] == len(self.numbers) - 1


class Table(NamedTuple):
    """Names that are built alike: their columns, what stands before, between and behind these, and the ending."""

    names: tuple[str, ...]
    columns: tuple[Column, ...]
    separators: tuple[str, ...]
    ending: str


def list_tables(names: Sequence[str]) -> Iterator[Table]:
    """Yield tables of these names, that of most names first; where several kinds have one ending, one of them all."""
    kinds: dict[tuple[str, ...], list[tuple[str, list[str]]]] = defaultdict(list)
    endings: dict[str, list[tuple[str, list[str]]]] = defaultdict(list)
    for name in names:
        ending = match[0] if (match := _ENDING.search(name)) else ""
        parts = _FIELD.split(name.removesuffix(ending))
        kinds[ending, *parts[::2]].append((name, parts))
        endings[ending].append((name, parts))
    tables = [_make_table(rows, key[0]) for key, rows in kinds.items()]
    tables += [table for ending, rows in endings.items() if (table := _join_heads(rows, ending))]
    yield from sorted(tables, key=lambda table: len(table.names), reverse=True)


def _join_heads(rows: list[tuple[str, list[str]]], ending: str) -> Table | None:
    """Make a table of names that end alike and begin differently, whose beginning is text of one column."""
    lengths = {len(parts) for _, parts in rows}
    separators = [parts[::-2] for _, parts in rows]
    common = 0
    while common < min(map(len, separators)) - 1 and len({column[common] for column in separators}) == 1:
        common += 1
    if len({tuple(column) for column in separators}) == 1 or common < 2 or not lengths:
        return None
    end_parts = 2 * common - 1  # as many separators, and the fields between them
    return _make_table([(name, ["", "".join(parts[:-end_parts]), *parts[-end_parts:]]) for name, parts in rows], ending)


def _make_table(rows: Sequence[tuple[str, list[str]]], ending: str) -> Table:
    """Make the table of names with the same separators; letters and digits in one order are columns of their own."""
    columns: list[Column] = []
    separators: list[str] = [rows[0][1][0]]
    before = ""
    for place in range(1, len(rows[0][1]), 2):
        fields = [parts[place] for _, parts in rows]
        for number, column in enumerate(_split_field(fields, before)):
            if number:
                separators.append("")
            columns.append(column)
        separators.append(rows[0][1][place + 1])
        before = fields[0] if len(set(fields)) == 1 and not re.search("[0-9]", fields[0]) else ""
    return Table(tuple(name for name, _ in rows), tuple(columns), tuple(separators), ending)


def _split_field(fields: Sequence[str], before: str) -> Iterator[Column]:
    runs = [_RUN.findall(field) for field in fields]
    if len({(len(parts), parts[0].isdigit()) for parts in runs}) > 1 or _is_label(runs):
        yield Column(tuple(fields), (before.lower(), ""))
        return
    places = list(zip(*runs, strict=True))
    for number, texts in enumerate(places):
        if not re.fullmatch("[0-9]+", texts[0]):
            yield Column(texts, ("" if number else before.lower(), ""))
            continue
        neighbours = (
            places[number - 1] if number else (before,),
            places[number + 1] if number + 1 < len(places) else ("",),
        )
        yield Column(texts, (_find_label(neighbours[0]), _find_label(neighbours[1])), is_number=True)


def _is_label(runs: Sequence[Sequence[str]]) -> bool:
    """Tell whether letters and digits are one word, as in the wells A1 and B2."""
    places = list(zip(*runs, strict=True))
    letters = [texts for texts in places if len(set(texts)) > 1 and not re.fullmatch("[0-9]+", texts[0])]
    return len(places) > 1 and any(len(text) == 1 for texts in letters for text in texts)


def _find_label(texts: Sequence[str]) -> str:
    return texts[0].lower() if len(set(texts)) == 1 else ""
