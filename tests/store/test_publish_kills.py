"""A publication that is killed before any of its steps on the disk: what readers see, and what the next run makes."""

import errno
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lightsheet.store import publish
from lightsheet.store.paths import shard_path
from lightsheet.store.volumes import StoreLayout
from lightsheet.system import files

pytestmark = pytest.mark.slow

LAYOUT = StoreLayout.plan((2, 4, 4), {"z": 0.3, "y": 0.1, "x": 0.1}, "uint16", {"name": "blosc"})
STEPS = ("mkdir", "rmdir", "rename", "replace", "link", "unlink", "fsync")

Tree = dict[str, bytes]


class Kill(BaseException):
    """The end of the process: after it, no step on the disk is made, not even by `finally`."""


class Disk:
    """Counts the steps that are made on the disk, and refuses all from the n-th on, as if the process were dead."""

    def __init__(self, patch: pytest.MonkeyPatch, *, can_exchange: bool, can_link: bool) -> None:
        self.count, self.last = 0, 10**9
        for name in STEPS:
            patch.setattr(os, name, self.make_step(getattr(os, name)))
        patch.setattr(os, "fsync", self.make_step(lambda _handle: None))  # a busy disk would take minutes for all
        if not can_link:
            patch.setattr(os, "link", self.make_step(refuse_link))
        exchange = files._exchange if can_exchange else lambda _a, _b: False
        patch.setattr(files, "_exchange", self.make_step(exchange))

    def make_step(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **options: Any) -> Any:
            self.count += 1
            if self.count >= self.last:
                raise Kill
            return function(*arguments, **options)

        return step

    @contextmanager
    def kill(self, step: int) -> Iterator[None]:
        self.count, self.last = 0, step
        try:
            yield
        finally:
            self.last = 10**9


def refuse_link(_source: Any, _target: Any) -> None:
    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))


def write_work(work: Path, content: bytes) -> None:
    """Write shards, which publication does not read, each as a new file."""
    for timepoint in range(2):
        path = shard_path(work, 0, (timepoint,))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(content + bytes([timepoint]))


def publish_work(folder: Path) -> None:
    volumes = [(folder / "work", t, (t,)) for t in range(2)]
    publish.publish_store(folder / "a.ome.zarr", volumes, LAYOUT, (2,), {})


def read_tree(place: Path) -> Tree:
    return {str(path.relative_to(place)): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()}


def name_visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(autouse=True)
def _no_validators(monkeypatch: pytest.MonkeyPatch) -> None:
    """They write nothing beside the store, and take longer than all the rest."""
    monkeypatch.setattr(publish, "validate_store", lambda _store: None)


@pytest.mark.parametrize("is_first", [True, False], ids=["first", "again"])
@pytest.mark.parametrize("can_link", [True, False], ids=["links", "copies"])
@pytest.mark.parametrize("can_exchange", [True, False], ids=["exchange", "renames"])
def test_whatever_step_a_kill_prevents_the_next_run_publishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_exchange: bool, can_link: bool, is_first: bool
) -> None:
    disk = Disk(monkeypatch, can_exchange=can_exchange, can_link=can_link)
    start, folder = tmp_path / "start", tmp_path / "run"
    write_work(start / "work", b"old")
    if not is_first:
        publish_work(start)
    old = read_tree(start / "a.ome.zarr")
    shutil.copytree(start, tmp_path / "model")
    write_work(tmp_path / "model" / "work", b"new")
    publish_work(tmp_path / "model")
    new = read_tree(tmp_path / "model" / "a.ome.zarr")
    absent = 0
    for step in itertools.count(1):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(start, folder)
        write_work(folder / "work", b"new")
        try:
            with disk.kill(step):
                publish_work(folder)
            break
        except Kill:
            tree = read_tree(folder / "a.ome.zarr")
        absent += not tree
        assert tree in (old, new, {}), step
        publish_work(folder)
        assert read_tree(folder / "a.ome.zarr") == new, step
        assert name_visible(folder) == ["a.ome.zarr", "work"], step
    assert step > 20
    assert name_visible(folder) == ["a.ome.zarr", "work"]
    if not is_first:
        assert absent == (0 if can_exchange else 1), "only between two renames there is no store"


@pytest.mark.parametrize("can_exchange", [True, False], ids=["exchange", "renames"])
def test_two_kills_in_a_row_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_exchange: bool) -> None:
    """The second one during the repair of the first."""
    disk = Disk(monkeypatch, can_exchange=can_exchange, can_link=True)
    write_work(tmp_path / "work", b"old")
    publish_work(tmp_path)
    old = read_tree(tmp_path / "a.ome.zarr")
    write_work(tmp_path / "work", b"new")
    with disk.kill(10**9):
        publish_work(tmp_path)
    total, new = disk.count, read_tree(tmp_path / "a.ome.zarr")
    for first in range(total - 10, total):
        for second in range(1, 7):
            write_work(tmp_path / "work", b"old")
            publish_work(tmp_path)
            write_work(tmp_path / "work", b"new")
            for step in (first, second):
                with disk.kill(step), pytest.raises(Kill):
                    publish_work(tmp_path)
            assert read_tree(tmp_path / "a.ome.zarr") in ((old, new) if can_exchange else (old, new, {}))
            publish.repair_store(tmp_path / "a.ome.zarr")
            assert read_tree(tmp_path / "a.ome.zarr") in (old, new)


def test_what_cannot_be_removed_is_in_nobodys_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NFS keeps a file that a reader has open, under another name, and with it its folder."""
    monkeypatch.setattr(files, "_exchange", lambda _a, _b: False)
    rmdir = os.rmdir

    def refuse(path: Any, **options: Any) -> None:
        if str(path).startswith(("0", "c")) or files.PART in str(path):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
        rmdir(path, **options)

    monkeypatch.setattr(os, "rmdir", refuse)
    for content in (b"1", b"2", b"3"):
        write_work(tmp_path / "work", content)
        publish_work(tmp_path)
        assert shard_path(tmp_path / "a.ome.zarr", 0, (1,)).read_bytes() == content + b"\x01"


def test_a_swap_that_fails_puts_the_old_store_back_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_exchange", lambda _a, _b: False)
    write_work(tmp_path / "work", b"old")
    publish_work(tmp_path)
    rename = os.rename

    def refuse(source: Any, target: Any) -> None:
        if Path(target).name == "a.ome.zarr" and not str(source).endswith(".old"):
            raise OSError(errno.EACCES, "Permission denied")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(PermissionError):
        publish_work(tmp_path)
    assert name_visible(tmp_path) == ["a.ome.zarr", "work"]
    assert shard_path(tmp_path / "a.ome.zarr", 0, (0,)).read_bytes() == b"old\x00"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EACCES, errno.ENOENT])
def test_only_a_file_system_without_hard_links_makes_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    write_work(tmp_path / "work", b"old")

    def refuse(_source: Any, _target: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(OSError, match=r"cannot be written|denied|No such file"):
        publish_work(tmp_path)
    assert name_visible(tmp_path) == ["work"]


def test_copies_are_flushed_and_a_short_one_is_never_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", refuse_link)
    write_work(tmp_path / "work", b"old")
    flushed, fsync = set[int](), os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (flushed.add(os.fstat(handle).st_ino), fsync(handle)))
    publish_work(tmp_path)
    shards = [shard_path(tmp_path / "a.ome.zarr", 0, (t,)) for t in range(2)]
    assert {path.stat().st_ino for path in shards} <= flushed
    write_work(tmp_path / "work", b"new")
    monkeypatch.setattr(shutil, "copyfile", lambda _source, target: Path(target).write_bytes(b"ne"))
    with pytest.raises(ValueError, match="2 of 4 bytes"):
        publish_work(tmp_path)
    assert [path.read_bytes() for path in shards] == [b"old\x00", b"old\x01"]


def test_whether_links_can_be_made_is_tried_without_a_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work, place = tmp_path / "work", tmp_path / "raw" / "a.ome.zarr"
    assert publish.makes_links(work, place)
    monkeypatch.setattr(os, "link", refuse_link)
    assert not publish.makes_links(work, place)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
