import signal
from pathlib import Path

import pytest

from lightsheet import log
from lightsheet.errors import InputError


def test_a_users_mistake_ends_with_a_sentence_and_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end, log.job(tmp_path / "logs" / "a.log"):
        raise InputError("a.tif: is cut off")
    assert end.value.code == 1
    text = (tmp_path / "logs" / "a.log").read_text()
    assert "ERROR a.tif: is cut off" in text
    assert "Traceback" not in text
    assert capsys.readouterr().err == text


def test_a_programs_mistake_ends_with_a_traceback(tmp_path: Path) -> None:
    with pytest.raises(SystemExit), log.job(tmp_path / "a.log"):
        raise ZeroDivisionError
    assert "Traceback" in (tmp_path / "a.log").read_text()


def test_an_interrupted_job_says_so(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as end, log.job(tmp_path / "a.log"):
        raise KeyboardInterrupt
    assert end.value.code == 130
    assert (tmp_path / "a.log").read_text().endswith("interrupted; what was finished is kept\n")


def test_a_job_that_slurm_ends_says_so_and_hands_the_signal_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as end, log.job(tmp_path / "a.log"):
        signal.raise_signal(signal.SIGTERM)
    assert end.value.code == 130
    assert "interrupted" in (tmp_path / "a.log").read_text()
    assert signal.getsignal(signal.SIGTERM) == before


def test_the_log_of_an_earlier_try_stays(tmp_path: Path) -> None:
    for reason in ("first", "second"):
        with pytest.raises(SystemExit), log.job(tmp_path / "a.log"):
            raise InputError(reason)
    assert "first" in (tmp_path / "a.log").read_text()


def test_progress_says_how_many_and_how_long(tmp_path: Path) -> None:
    with log.job(tmp_path / "a.log"):
        progress = log.Progress("ingest", 2)
        progress.step("first")
        progress.step("second")
    lines = (tmp_path / "a.log").read_text().splitlines()
    assert "ingest 1/2: first" in lines[0]
    assert lines[1].endswith("0 s left)")


def test_what_goes_fast_is_told_now_and_then_and_at_the_end(tmp_path: Path) -> None:
    with log.job(tmp_path / "a.log"):
        progress = log.Progress("check", 3000, "shard", pause=60)
        for number in range(3000):
            progress.step(f"shard {number}")
    (line,) = (tmp_path / "a.log").read_text().splitlines()
    assert "check 3000/3000: shard 2999" in line
    assert line.endswith(" shards a second, 0 s left)")
    assert line.isprintable()


@pytest.mark.parametrize(("seconds", "text"), [(3.2, "3 s"), (720, "12 min"), (12600, "3.5 h")])
def test_durations(seconds: float, text: str) -> None:
    assert log.duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(12, "12 bytes"), (316_145_664, "316.1 MB"), (188.7e9, "188.7 GB"), (3e12, "3.0 TB")]
)
def test_sizes(count: float, text: str) -> None:
    assert log.size(count) == text
