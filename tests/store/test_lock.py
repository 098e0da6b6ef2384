"""The lock of a results folder: taken by one of many, refused in a sentence, renewed, lost."""

import contextlib
import errno
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lightsheet.store import lock as module, lock_takeover
from lightsheet.store.lock import hold_lock
from lightsheet.store.lock_file import look_at
from lightsheet.store.lock_holder import Holder, describe_this_process
from lightsheet.system.errors import InputError
from tests.support.families import parametrize

SCRIPTS = Path(module.__file__).parents[2]

RIVALS = """
import os, random, sys, time
from pathlib import Path
from lightsheet.store import lock as holding, lock_takeover as taking
from lightsheet.store.lock import hold_lock
from lightsheet.system.errors import InputError

lock, inside, turns = Path("results/lock.json"), Path("inside"), Path("turns")
look_at = taking.look_at

def look_slowly(path):
    look = look_at(path)
    time.sleep(random.random() * 0.01)  # others act between a look and what follows from it
    return look

holding.look_at = taking.look_at = look_slowly

def compete():
    random.seed(os.getpid())
    while True:
        try:
            with hold_lock(lock, print):
                inside.mkdir()  # fails if another process holds the lock
                time.sleep(0.002)
                with turns.open("a") as file:
                    file.write(f"{os.getpid()}\\n")
                inside.rmdir()
                if random.random() < 0.8:
                    os._exit(0)  # dies without a release, as by kill -9
                return
        except InputError:
            time.sleep(0.001)

children = []
for _ in range(30):
    child = os.fork()
    if not child:
        try:
            compete()
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
    children.append(child)
sys.exit(max(os.waitpid(child, 0)[1] for child in children) != 0)
"""

INFINITE = re.sub('"process": [0-9]+', '"process": 1e999', describe_this_process().to_json()).encode()

MEMBERS = """
import json, os, sys
from pathlib import Path
from lightsheet.store import lock_takeover
from lightsheet.store.lock import hold_lock
from lightsheet.system.errors import InputError

lock_takeover.HANDOVER_SECONDS = 0
lock = Path("small/lock.json")
os.umask(0o002)
for user, dies in ((60001, False), (60002, True), (60003, True)):
    if not os.fork():
        os.setgroups([])
        os.setgid(60000)
        os.setuid(user)
        with hold_lock(lock, print) as token:
            if os.fork():
                os.wait()
            else:
                os.setuid(user)
                try:
                    with hold_lock(lock, print):
                        print("two at once")
                except InputError as error:
                    print(error)
                os._exit(0)
            sys.stdout.flush()
            if dies:
                os._exit(0)
        os._exit(0)
    os.wait()
"""
"""Members of a group run one after the other in a folder of the group; each tries twice at once, and two are killed."""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "results" / "small" / "lock.json"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEW_SECONDS", 0.02)
    for name, seconds in {"WATCH": 0.05, "POLL": 0.02, "HANDOVER": 0.0}.items():
        monkeypatch.setattr(lock_takeover, f"{name}_SECONDS", seconds)


def leave(lock: Path, age: float = 0.0, **changes: Any) -> Holder:
    """Write the lock of another process, last renewed `age` seconds ago."""
    holder = replace(describe_this_process(), **changes)
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text(holder.to_json())
    os.utime(lock, (time.time() - age,) * 2)
    return holder


def refusal(lock: Path) -> str:
    before = lock.read_bytes(), lock.stat().st_mtime_ns
    with pytest.raises(InputError) as error, hold_lock(lock, print):
        pass
    assert (lock.read_bytes(), lock.stat().st_mtime_ns) == before
    assert list(lock.parent.iterdir()) == [lock]
    return str(error.value)


def assert_is_taken(lock: Path) -> None:
    with hold_lock(lock, print) as token:
        look = look_at(lock)
        assert look
        assert look.token == token
        assert list(lock.parent.iterdir()) == [lock], "a process may be killed at any moment and leave nothing for long"
    assert not lock.exists()


@contextlib.contextmanager
def ended_process() -> Iterator[int]:
    """Yield the number of a process that has ended and has not been waited for."""
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        yield process.pid


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


def test_the_lock_of_a_process_that_is_gone_is_taken_at_once(lock: Path) -> None:
    with ended_process() as number:
        leave(lock, process=number)
        assert_is_taken(lock)
    leave(lock, process=number)
    assert_is_taken(lock)


def test_a_number_that_now_is_another_processs_is_no_life(lock: Path) -> None:
    leave(lock, start=describe_this_process().start - 1)
    assert_is_taken(lock)


def test_an_earlier_life_of_the_same_slurm_job_is_dead(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_takeover, "HANDOVER_SECONDS", 0)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    leave(lock, machine="node1", job="7", restarts=1)
    refusal(lock)
    leave(lock, machine="node1", job="7", restarts=0)
    assert_is_taken(lock)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("machine", ["elsewhere", describe_this_process().machine, ""])
def test_only_renewals_count_where_a_process_cannot_be_asked_or_sleeps(lock: Path, machine: str) -> None:
    leave(lock, age=60, machine=machine)
    refusal(lock)
    leave(lock, age=301, machine=machine)
    assert_is_taken(lock)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("age", [3600, -3600])
def test_a_lock_that_is_renewed_after_a_jump_of_the_clock_is_alive(
    lock: Path, monkeypatch: pytest.MonkeyPatch, age: float
) -> None:
    monkeypatch.setattr(lock_takeover, "WATCH_SECONDS", 20)  # the renewal ends the wait
    leave(lock, age=age, machine="elsewhere")
    threading.Timer(0.1, os.utime, [lock]).start()
    with pytest.raises(InputError, match="another run"), hold_lock(lock, print):
        pass


@pytest.mark.usefixtures("impatient")
@parametrize("text", [b"", b"\xff\x00", b"[]", b"{}", b"[" * 9000, INFINITE, "../../../precious"], quick=3)
def test_a_lock_that_says_nothing_counts_by_its_age(lock: Path, text: bytes | str) -> None:
    leave(lock)
    content = text if isinstance(text, bytes) else replace(describe_this_process(), token=text).to_json().encode()
    lock.write_bytes(content)
    assert "does not say by whom" in refusal(lock)
    os.utime(lock, (time.time() - 301,) * 2)
    assert_is_taken(lock)


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


def wait_for(condition: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


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
        wait_for(lambda: time.time() - lock.stat().st_mtime < 60)
    assert (failures, sentences) == ([], [])


@pytest.mark.usefixtures("impatient")
def test_a_lock_that_was_removed_by_hand_is_put_back(lock: Path) -> None:
    sentences: list[str] = []
    with hold_lock(lock, sentences.append):
        lock.unlink()
        wait_for(lock.exists)
    assert (lock.exists(), sentences) == (False, [])


def test_a_number_that_no_process_has_is_no_life(lock: Path) -> None:
    leave(lock, process=10**30)
    assert_is_taken(lock)


def test_a_lock_forges_no_lines_of_a_log(lock: Path) -> None:
    leave(lock, folder="a\n\x1b[2J\ud800")
    assert r"a\n\x1b[2J\ud800" in refusal(lock)


@pytest.mark.usefixtures("impatient")
def test_a_run_that_lost_its_lock_is_ended_and_leaves_the_others(lock: Path) -> None:
    sentences: list[str] = []
    with hold_lock(lock, sentences.append):
        other = leave(lock, user="ada")
        wait_for(lambda: sentences)
    assert "user ada" in sentences[0]
    assert "another run has taken it over" in sentences[0]
    look = look_at(lock)
    assert look
    assert look.token == other.token


def test_what_killed_processes_left_beside_a_lock_is_removed(lock: Path) -> None:
    leave(lock, start=1)
    for age, name in ((301, "old"), (0, "new")):
        left = lock.with_name(f"lock.json.{name}")
        left.touch()
        os.utime(left, (time.time() - age,) * 2)
    with hold_lock(lock, print):
        assert {path.name for path in lock.parent.iterdir()} == {"lock.json", "lock.json.new"}


@pytest.mark.slow
def test_of_many_processes_one_at_a_time_takes_a_dead_lock(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    ended = subprocess.run(
        [sys.executable, "-c", RIVALS], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, "Error(" in ended.stderr) == (0, False), ended.stderr[-2000:]
    assert len((tmp_path / "turns").read_text().split()) == 30


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be several users")
def test_a_member_of_a_group_takes_the_lock_of_another_that_is_dead(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    (tmp_path / "small").mkdir()
    os.chown(tmp_path / "small", 60001, 60000)
    (tmp_path / "small").chmod(0o2770)
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    ended = subprocess.run(
        [sys.executable, "-u", "-c", MEMBERS],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Error" not in ended.stderr, ended.stderr
    sentences = [line for line in ended.stdout.splitlines() if "another run works" in line]
    assert [f"user 6000{n}" in sentence for n, sentence in enumerate(sentences, 1)] == [True] * 3, ended.stdout
    assert "took over the lock of a run that is dead: user 60002" in ended.stderr
    assert "two at once" not in ended.stdout
