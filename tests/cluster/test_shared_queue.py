import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lightsheet.cluster import SlurmJob, shared_queue
from lightsheet.cluster.shared_queue import ask_queue, forget_queue, read_queue
from tests.support.fake_commands import command
from tests.support.project import ROOT

ROWS = "12|RUNNING|None|c1|ls-a-t0000\n13|PENDING|Resources||ls-a-t0000\n14|RUNNING|None|c1|ls-b"
SILENCE = "echo 'Unable to contact slurm controller' >&2; exit 1"
JOBS = [SlurmJob("12", "RUNNING", "None", "c1", "ls-a-t0000"), SlurmJob("13", "PENDING", "Resources", "", "ls-a-t0000")]


@pytest.fixture
def queue(commands: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a run whose squeue counts its calls."""
    monkeypatch.setattr(shared_queue, "_knowledge", {})
    answer(commands, f"cat <<END\n{ROWS}\nEND")
    return commands / "work" / "queue.json"


def answer(commands: Path, script: str) -> None:
    command(commands, "squeue", f"echo call >> {commands}/calls; {script}")


def count_calls(commands: Path) -> int:
    return (commands / "calls").read_text().count("call")


def become_another_process() -> None:
    shared_queue._knowledge.clear()


def grow_old(queue: Path, seconds: float) -> None:
    written = queue.stat().st_mtime
    os.utime(queue, (written - seconds,) * 2)
    become_another_process()


def test_one_answer_serves_all_processes_of_a_run(commands: Path, queue: Path) -> None:
    for _ in range(2):
        assert read_queue(queue, "ls-a") == JOBS
        assert read_queue(queue, "ls-a") == JOBS
        become_another_process()
    assert count_calls(commands) == 1
    grow_old(queue, 11)
    assert read_queue(queue, "ls-a") == JOBS
    assert count_calls(commands) == 2
    assert read_queue(queue, "ls-a", oldest_seconds=0) == JOBS
    assert count_calls(commands) == 3
    assert [file.name for file in queue.parent.iterdir()] == ["queue.json"]


@pytest.mark.slow
def test_five_processes_that_want_to_know_at_the_same_moment_ask_once(commands: Path, queue: Path) -> None:
    answer(commands, f"sleep 1; cat <<END\n{ROWS}\nEND")
    code = (
        "import sys, time; from pathlib import Path; from lightsheet.cluster.shared_queue import read_queue\n"
        "print(flush=True); sys.stdin.readline(); end = time.monotonic() + 2.5\n"
        "while (jobs := read_queue(Path(sys.argv[1]), 'ls-a')) is None or time.monotonic() < end: time.sleep(0.05)\n"
        "print(len(jobs))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    askers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(queue)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(5)
    ]
    for asker in askers:
        assert asker.stdout
        asker.stdout.readline()
    for asker in askers:
        assert asker.stdin
        print(file=asker.stdin, flush=True)
    assert [asker.communicate()[0] for asker in askers] == ["2\n"] * 5
    assert count_calls(commands) == 1


def test_a_controller_that_does_not_answer_is_asked_no_more_often(commands: Path, queue: Path) -> None:
    answer(commands, SILENCE)
    for _ in range(3):
        assert read_queue(queue, "ls-a") is None
        become_another_process()
    assert count_calls(commands) == 1
    grow_old(queue, 11)
    answer(commands, f"cat <<END\n{ROWS}\nEND")
    assert read_queue(queue, "ls-a") == JOBS


@pytest.mark.parametrize(
    "text", ["", '{"label": "ls-a", "jobs', "[1]", "null", '{"label": "ls-a", "jobs": [[1, 2, 3, 4, 5, 6]]}']
)
def test_a_damaged_file_is_no_answer(commands: Path, queue: Path, text: str) -> None:
    queue.parent.mkdir()
    queue.write_text(text)
    assert read_queue(queue, "ls-a") == JOBS
    become_another_process()
    assert read_queue(queue, "ls-a") == JOBS
    assert count_calls(commands) == 1


def test_another_runs_answer_is_none(queue: Path) -> None:
    assert read_queue(queue, "ls-b") == [SlurmJob("14", "RUNNING", "None", "c1", "ls-b")]
    assert read_queue(queue, "ls-a") != JOBS, "the process knows that it asked a moment ago"


def test_who_does_not_get_the_claim_uses_the_older_answer(commands: Path, queue: Path) -> None:
    read_queue(queue, "ls-a")
    grow_old(queue, 100)
    queue.with_suffix(".claim").touch()
    assert read_queue(queue, "ls-a") == JOBS
    latest = ask_queue(queue, "ls-a")
    assert latest
    assert latest.time < time.monotonic() - 100, "what was submitted since then cannot be missed in it"
    assert count_calls(commands) == 1


def test_the_claim_of_a_dead_process_is_removed(queue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue.parent.mkdir()
    queue.with_suffix(".claim").touch()
    assert read_queue(queue, "ls-a") is None
    monkeypatch.setattr(shared_queue, "CLAIM_SECONDS", 0)
    assert read_queue(queue, "ls-a") is None
    assert read_queue(queue, "ls-a") == JOBS


@pytest.mark.parametrize("seconds", [-3600, -7, 7, 3600])
def test_a_file_systems_clock_may_be_another(
    commands: Path, queue: Path, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda now=time.time: now() + seconds)
    monkeypatch.setattr(time, "monotonic", lambda now=time.monotonic: now() - seconds)
    for _ in range(3):
        assert read_queue(queue, "ls-a") == JOBS
        become_another_process()
    assert count_calls(commands) == 1
    grow_old(queue, 11)
    assert read_queue(queue, "ls-a") == JOBS
    assert count_calls(commands) == 2


def test_a_disk_that_takes_nothing_makes_nobody_ask_more_often(
    commands: Path, queue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shared_queue, "write_news", refuse)
    assert read_queue(queue, "ls-a") == read_queue(queue, "ls-a") == JOBS
    assert count_calls(commands) == 1
    monkeypatch.setattr(os, "open", refuse)
    become_another_process()
    assert read_queue(queue, "ls-a") == read_queue(queue, "ls-a") == JOBS
    assert count_calls(commands) == 2


def test_what_a_killed_run_left_is_forgotten(commands: Path, queue: Path) -> None:
    read_queue(queue, "ls-a")
    queue.with_suffix(".claim").touch()
    forget_queue(queue)
    assert read_queue(queue, "ls-a") == JOBS
    assert count_calls(commands) == 2
