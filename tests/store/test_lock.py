"""The lock of a results folder: taken by one of many, refused in a sentence, renewed, lost."""

import contextlib
import errno
import os
import time
from pathlib import Path
from typing import Any

import pytest

from lightsheet.store.lock import hold_lock
from lightsheet.store.lock_file import look_at
from lightsheet.store.lock_holder import describe_this_process
from lightsheet.system.errors import InputError
from tests.support.locks import assert_is_taken, leave, refusal
from tests.support.patience import wait_until


def test_a_second_run_is_told_who_is_at_work(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    with hold_lock(lock, print):
        holder = describe_this_process()
        sentence = refusal(lock)
    for word in (str(lock.parent), holder.user, holder.host, str(os.getpid()), "SLURM job 4711", " UTC"):
        assert word in sentence
    assert "scancel 4711" in sentence


def test_a_lock_leaves_no_folder_in_which_nothing_was_made(lock: Path, tmp_path: Path) -> None:
    with hold_lock(lock, print):
        pass
    assert list(tmp_path.iterdir()) == []
    with hold_lock(lock, print):
        (lock.parent / "report.html").touch()
    assert [path.name for path in lock.parent.iterdir()] == ["report.html"]


def test_two_paths_to_a_folder_are_one_lock(lock: Path, tmp_path: Path) -> None:
    with hold_lock(lock, print):
        (tmp_path / "link").symlink_to(tmp_path / "results")
        with (
            pytest.raises(InputError, match="another run"),
            hold_lock(tmp_path / "link" / "small" / "lock.json", print),
        ):
            pass


def test_a_lock_is_released_after_an_error_too(lock: Path) -> None:
    with contextlib.suppress(KeyboardInterrupt), hold_lock(lock, print):
        raise KeyboardInterrupt
    assert_is_taken(lock)


def test_everybody_who_may_come_to_the_folder_may_read_who_is_there(lock: Path) -> None:
    before = os.umask(0o077)
    try:
        with hold_lock(lock, print):
            assert lock.stat().st_mode & 0o444 == 0o444
    finally:
        os.umask(before)


def test_a_lock_works_without_hard_links(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EPERM, "no links")

    monkeypatch.setattr(os, "link", refuse)
    with hold_lock(lock, print):
        refusal(lock)
    leave(lock, start=1)
    assert_is_taken(lock)


def test_a_link_or_a_pipe_in_the_place_of_a_lock_makes_nobody_wait(lock: Path) -> None:
    lock.parent.mkdir(parents=True)
    lock.symlink_to("nowhere")
    with pytest.raises(InputError, match=r"lock\.json"), hold_lock(lock, print):
        pass
    lock.unlink()
    os.mkfifo(lock)
    with pytest.raises(InputError, match="does not say by whom"), hold_lock(lock, print):
        pass


def test_a_folder_that_cannot_be_written_is_a_sentence(lock: Path) -> None:
    lock.parent.parent.mkdir()
    lock.parent.touch()
    with pytest.raises(InputError, match=r"config key output\.folder: a run has to write into"), hold_lock(lock, print):
        pass


@pytest.mark.usefixtures("impatient")
def test_a_lock_is_renewed_although_one_renewal_fails(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    renew, failures = os.utime, [errno.ESTALE, errno.ENOSPC]

    def fail_first(*arguments: Any) -> None:
        if failures:
            raise OSError(failures.pop(), "passing")
        renew(*arguments)

    sentences: list[str] = []
    with hold_lock(lock, sentences.append):
        renew(lock, (0, 0))
        monkeypatch.setattr(os, "utime", fail_first)
        wait_until(lambda: time.time() - lock.stat().st_mtime < 60)
    assert (failures, sentences) == ([], [])


@pytest.mark.usefixtures("impatient")
def test_a_lock_that_was_removed_by_hand_is_put_back(lock: Path) -> None:
    sentences: list[str] = []
    with hold_lock(lock, sentences.append):
        lock.unlink()
        wait_until(lock.exists)
    assert (lock.exists(), sentences) == (False, [])


def test_a_lock_forges_no_lines_of_a_log(lock: Path) -> None:
    leave(lock, folder="a\n\x1b[2J\ud800")
    assert r"a\n\x1b[2J\ud800" in refusal(lock)


@pytest.mark.usefixtures("impatient")
def test_a_run_that_lost_its_lock_is_ended_and_leaves_the_others(lock: Path) -> None:
    sentences: list[str] = []
    with hold_lock(lock, sentences.append):
        other = leave(lock, user="ada")
        wait_until(lambda: sentences)
    assert "user ada" in sentences[0]
    assert "another run has taken it over" in sentences[0]
    look = look_at(lock)
    assert look
    assert look.token == other.token
