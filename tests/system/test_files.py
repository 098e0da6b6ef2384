import errno
import os
import pickle
import stat
import time
from pathlib import Path

import numpy as np
import pytest

from lightsheet.system import disk, files
from lightsheet.system.errors import DiskError, InputError


def test_a_folder_in_the_place_of_a_file_and_the_reverse_are_told(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="folder: a folder stands in the place of this file"):
        files.write_text(tmp_path / "folder", "text")
    for place in ("file/a", "file/a/b"):
        with pytest.raises(InputError, match="file: a file stands in the place of this folder"):
            files.write_text(tmp_path / place, "text")
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "file"}


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.write_json(path, {"b": 1})
    with pytest.raises(FileNotFoundError), files.write_whole(path) as part:
        part.rename(tmp_path / "half")  # so that it cannot take the place of `path`
    (tmp_path / "half").unlink()
    assert files.read_json(path) == {"b": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_written_files_have_the_permissions_of_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        files.write_text(tmp_path / "a", "x")
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_file_that_another_node_wrote_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setattr(files, "LAG_POLL_SECONDS", 0.01)
    looks: list[int] = []

    def missing() -> list[str]:
        looks.append(1)
        return ["a"] if len(looks) < 4 else []

    assert files.wait_until_visible(missing, tmp_path, tmp_path / "absent") == []
    assert len(looks) == 4


def test_a_file_that_does_not_come_is_missing_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setattr(files, "LAG_POLL_SECONDS", 0.01)
    monkeypatch.setattr(files, "LAG_SECONDS", 0.05)
    assert files.wait_until_visible(lambda: ["a"], tmp_path) == ["a"]


def test_on_one_machine_nothing_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    start = time.monotonic()
    assert files.wait_until_visible(lambda: ["a"], tmp_path) == ["a"]
    assert time.monotonic() - start < files.LAG_SECONDS / 2


def test_what_is_no_json_reads_as_absent(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"cut": ')
    assert files.read_json(tmp_path / "a.json") is None
    assert files.read_json(tmp_path / "b.json") is None


def fail_flush(monkeypatch: pytest.MonkeyPatch, number: int, *, of_folders: bool) -> None:
    fsync = os.fsync

    def flush(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode) == of_folders:
            raise OSError(number, os.strerror(number))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", flush)


@pytest.mark.parametrize("number", [errno.EIO, errno.EDQUOT, errno.ENOSPC, errno.EINVAL, errno.ENOTSUP])
def test_a_file_that_cannot_be_flushed_does_not_appear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    files.write_text(tmp_path / "a", "old")
    fail_flush(monkeypatch, number, of_folders=False)
    with pytest.raises(OSError, match=r"full|quota|input/output|Invalid|not supported"):
        files.write_text(tmp_path / "a", "new")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "old"}


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES])
def test_a_folder_that_cannot_be_flushed_at_all_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    fail_flush(monkeypatch, number, of_folders=True)
    files.write_text(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "new"


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_a_folder_whose_flush_fails_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    fail_flush(monkeypatch, number, of_folders=True)
    with pytest.raises(DiskError, match="cannot be written, because "):
        files.write_text(tmp_path / "a", "new")


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, r"the disk at /\S* is full \(.* free without it\): make room there"),
        (errno.EDQUOT, r"your quota on the disk at /\S* is used up: remove files of yours there"),
        (errno.EFBIG, r"the disk at /\S* takes no file of that size: name a folder on another"),
        (errno.EROFS, r"the disk at /\S* is read-only: have it looked after"),
    ],
)
def test_a_disk_that_takes_no_more_is_a_sentence(tmp_path: Path, number: int, reason: str) -> None:
    path = tmp_path / "new" / "a.bin"
    sentence = f"^{path} cannot be written, because {reason}.*same command again"
    with pytest.raises(InputError, match=sentence), files.write_whole(path):
        raise OSError(number, os.strerror(number))
    assert list(path.parent.iterdir()) == []


def test_the_sentence_survives_the_way_from_a_worker(tmp_path: Path) -> None:
    with pytest.raises(DiskError) as caught, disk.name_disk(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    arrived = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(arrived, DiskError)
    assert str(arrived) == str(caught.value)


def test_an_array_of_which_the_disk_took_a_part_is_a_sentence(tmp_path: Path) -> None:
    """NumPy says so without a number of the error."""
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    with pytest.raises(DiskError, match="is full"), disk.name_disk(tmp_path), Path("/dev/full").open("wb") as file:
        np.zeros(10**6).tofile(file)


def test_another_error_is_none_of_the_disks(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError), disk.name_disk(tmp_path):
        raise ConnectionResetError(errno.ECONNRESET, "reset")


def test_digests_are_those_of_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert files.digest_sha256(tmp_path / "a").startswith("ba7816bf8f01cfea")
    assert (
        files.digest_json({"a": 1, "b": 2})
        == files.digest_json({"b": 2, "a": 1})
        != files.digest_json({"a": 1, "b": 3})
    )


@pytest.mark.parametrize("can_exchange", [True, False])
def test_swap_puts_one_folder_in_the_place_of_another(
    tmp_path: Path, can_exchange: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not can_exchange:
        monkeypatch.setattr(files, "_exchange", lambda _a, _b: False)
    new, place = tmp_path / "new", tmp_path / "place"
    for folder in (new, place):
        folder.mkdir()
        (folder / "name").write_text(folder.name)
    files.swap_folders(new, place)
    assert (place / "name").read_text() == "new"
    assert (new / "name").read_text() == "place"


def test_swap_into_an_empty_place_is_a_rename(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    files.swap_folders(tmp_path / "new", tmp_path / "place")
    assert [p.name for p in tmp_path.iterdir()] == ["place"]


def test_what_is_no_json_is_none_and_what_cannot_be_read_a_sentence(tmp_path: Path) -> None:
    for content in (b"", b"{", b"\xb5", b"[" * 100_000, b"1" * 5000):
        (tmp_path / "a.json").write_bytes(content)
        assert files.read_json(tmp_path / "a.json") is None
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\)"):
        files.read_json(tmp_path)
