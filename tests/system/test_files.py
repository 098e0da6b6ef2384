import os
import time
from pathlib import Path

import pytest

from lightsheet.system import files
from lightsheet.system.errors import InputError


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
    assert time.monotonic() - start < 1


def test_what_is_no_json_reads_as_absent(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"cut": ')
    assert files.read_json(tmp_path / "a.json") is None
    assert files.read_json(tmp_path / "b.json") is None


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
