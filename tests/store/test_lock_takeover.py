"""Locks of the dead are taken over, by one of many; others are left."""

import os
import re
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from lightsheet.store import lock as module, lock_takeover
from lightsheet.store.lock import hold_lock
from lightsheet.store.lock_holder import describe_this_process
from lightsheet.system.errors import InputError
from tests.support.families import parametrize
from tests.support.locks import assert_is_taken, ended_process, leave, refusal

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


def test_a_number_that_no_process_has_is_no_life(lock: Path) -> None:
    leave(lock, process=10**30)
    assert_is_taken(lock)


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
