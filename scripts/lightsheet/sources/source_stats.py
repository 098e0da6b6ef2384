"""Sizes and times of the files of a run's volumes: looked at once, those of Zarr arrays only where they are needed."""

from collections.abc import ItemsView, Iterable, ValuesView
from dataclasses import dataclass, field
from pathlib import Path

from lightsheet.sources.pieces import PageRange, stat_source
from lightsheet.sources.zarr_stat import PieceStat
from lightsheet.sources.zarr_view import is_selection

Key = tuple[str, tuple[int | str, ...] | None]


@dataclass
class SourceStats:
    """What `stat_source` returns of each piece, remembered.

    A TIFF has one entry, whatever its pages. A volume of a Zarr array may be thousands of files, so that jobs, which
    compare no records, never look at them.
    """

    _stats: dict[Key, PieceStat] = field(default_factory=dict)

    def __getitem__(self, piece: tuple[str | Path, PageRange]) -> PieceStat:
        """Return the status of a piece: a path, and what is used of it."""
        key = _make_key(*piece)
        if key not in self._stats:
            self._stats[key] = stat_source(*key)
        return self._stats[key]

    def keep(self, pieces: Iterable[tuple[str | Path, PageRange]]) -> "SourceStats":
        """Return a copy that has these pieces only."""
        keys = {_make_key(*piece) for piece in pieces}
        return SourceStats({key: stat for key, stat in self._stats.items() if key in keys})

    def items(self) -> ItemsView[Key, PieceStat]:
        """Return the pieces that were looked at."""
        return self._stats.items()

    def values(self) -> ValuesView[PieceStat]:
        """Return what is known of them."""
        return self._stats.values()


def _make_key(path: str | Path, pages: PageRange) -> Key:
    if pages is None or not is_selection(pages):
        return str(path), None
    return str(path), tuple(part for part in pages if not str(part).startswith("fill="))
