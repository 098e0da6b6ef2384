import errno
import itertools
import logging
import signal
from pathlib import Path

import pytest

from lightsheet.system import log
from lightsheet.system.errors import InputError


def test_a_users_mistake_ends_with_a_sentence_and_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end, log.log_job(tmp_path / "logs" / "a.log"):
        raise InputError("a.tif: is cut off")
    assert end.value.code == 1
    text = (tmp_path / "logs" / "a.log").read_text()
    assert "ERROR a.tif: is cut off" in text
    assert "Traceback" not in text
    assert capsys.readouterr().err == text


def test_a_job_has_no_lines_of_tifffile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile = logging.getLogger("tifffile")
    monkeypatch.setattr(tifffile, "level", logging.NOTSET)
    tifffile.manager._clear_cache()  # type: ignore[attr-defined]
    assert tifffile.isEnabledFor(logging.ERROR)
    with log.log_job(tmp_path / "a.log"):
        assert not tifffile.isEnabledFor(logging.ERROR)


def test_a_programs_mistake_ends_with_a_traceback(tmp_path: Path) -> None:
    with pytest.raises(SystemExit), log.log_job(tmp_path / "a.log"):
        raise ZeroDivisionError
    assert "Traceback" in (tmp_path / "a.log").read_text()


def test_a_programs_mistake_is_named_in_one_line(tmp_path: Path) -> None:
    for error in (ValueError("one\ntwo"), ZeroDivisionError()):
        with pytest.raises(SystemExit), log.log_job(tmp_path / "a.log"):
            raise error
    lines = [line for line in (tmp_path / "a.log").read_text().splitlines() if "ERROR" in line]
    assert [line.split("ERROR ")[1] for line in lines] == [
        "this job failed: ValueError: one",
        "this job failed: ZeroDivisionError",
    ]


def test_what_a_job_logs_itself_is_not_logged_again(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as end, log.log_rest_of_job(tmp_path / "a.log"), log.log_job(tmp_path / "a.log"):
        raise InputError("a reason")
    assert end.value.code == 1
    assert (tmp_path / "a.log").read_text().count("\n") == 1
    with log.log_rest_of_job(tmp_path / "b.log"):
        pass
    assert not (tmp_path / "b.log").exists()


def test_ctrl_c_before_a_job_logs_is_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as end, log.log_rest_of_job(tmp_path / "a.log"):
        raise KeyboardInterrupt
    assert end.value.code == 130
    assert (tmp_path / "a.log").read_text().endswith("ERROR interrupted; what was finished is kept\n")


def test_a_full_disk_ends_with_a_sentence(tmp_path: Path) -> None:
    """Wherever the error comes from: a library's own file, too."""
    with pytest.raises(SystemExit) as end, log.log_job(tmp_path / "a.log"):
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "b"))
    assert end.value.code == 1
    text = (tmp_path / "a.log").read_text()
    assert f"ERROR {tmp_path}/b cannot be written, because the disk at " in text
    assert "Traceback" not in text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_log_on_a_full_disk_is_said_once_and_the_job_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    with log.log_job("/dev/full"):
        for number in range(3):
            log.logger.info("line %d", number)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("INFO ")[-1] for line in lines if "INFO" in line] == ["line 0", "line 1", "line 2"]
    assert [line for line in lines if "INFO" not in line] == ["/dev/full: the log ends here (No space left on device)"]


def test_a_log_that_cannot_be_begun_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "logs").write_text("no folder")
    with pytest.raises(SystemExit) as end, log.log_job(tmp_path / "logs" / "a.log"):
        raise AssertionError
    assert end.value.code == 1
    text = capsys.readouterr().err
    assert f"ERROR {tmp_path}/logs/a.log: the log cannot be written (" in text
    assert "Traceback" not in text


def test_an_interrupted_job_says_so(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as end, log.log_job(tmp_path / "a.log"):
        raise KeyboardInterrupt
    assert end.value.code == 130
    assert (tmp_path / "a.log").read_text().endswith("interrupted; what was finished is kept\n")


def test_a_job_that_slurm_ends_says_so_and_hands_the_signal_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as end, log.log_job(tmp_path / "a.log"):
        signal.raise_signal(signal.SIGTERM)
    assert end.value.code == 130
    assert "interrupted" in (tmp_path / "a.log").read_text()
    assert signal.getsignal(signal.SIGTERM) == before


def test_the_log_of_an_earlier_try_stays(tmp_path: Path) -> None:
    for reason in ("first", "second"):
        with pytest.raises(SystemExit), log.log_job(tmp_path / "a.log"):
            raise InputError(reason)
    assert "first" in (tmp_path / "a.log").read_text()


def test_progress_says_how_many_and_how_long(tmp_path: Path) -> None:
    with log.log_job(tmp_path / "a.log"):
        progress = log.Progress("ingest", 2)
        progress.step("first")
        progress.step("second")
    lines = (tmp_path / "a.log").read_text().splitlines()
    assert "ingest 1/2: first" in lines[0]
    assert lines[1].endswith("0 s left)")


def test_what_goes_fast_is_told_now_and_then_and_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard takes 10 ms."""
    clock = itertools.count()
    with log.log_job(tmp_path / "a.log"), log.name_subject("488nm"):
        monkeypatch.setattr(log.time, "monotonic", lambda: next(clock) / 100)
        for total in (3500, 900):
            progress = log.Progress("check", total, "shard", pause=10)
            for number in range(total):
                progress.step(f"shard {number}")
    lines = (tmp_path / "a.log").read_text().splitlines()
    assert [line.split("INFO ")[1] for line in lines] == [
        "488nm: check 1000/3500: shard 999 (100 shards per second, 25 s left)",
        "488nm: check 2000/3500: shard 1999 (100 shards per second, 15 s left)",
        "488nm: check 3000/3500: shard 2999 (100 shards per second, 5 s left)",
        "488nm: check 3500/3500: shard 3499 (100 shards per second, 0 s left)",
    ]


def test_a_name_that_is_not_utf8_is_logged_and_forges_no_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log.logger, "propagate", False)  # pytest's own log would send the name to its main process
    with log.log_job(tmp_path / "a.log"):
        log.logger.info("left out: %s", "G\udcb5\x1b[2J\rERROR")
    text = (tmp_path / "a.log").read_text(encoding="utf-8")
    assert text.endswith("INFO left out: G\\xb5\\x1b[2J\\rERROR\n")
    assert capsys.readouterr().err == text


@pytest.mark.parametrize(
    ("run", "job", "is_quiet"),
    [
        (log.NO_SLURM_JOB, None, True),
        (log.NO_SLURM_JOB, "7", False),  # its screen is a log of SLURM's
        ("7", "7", True),  # beside a run that is a job itself
        ("7", None, True),  # likewise: Snakemake's SLURM plugin removes the variable
        ("7", "8", False),
        (None, None, False),
        (None, "7", False),
    ],
)
def test_a_job_is_silent_where_its_run_prints_its_log(
    run: str | None,
    job: str | None,
    is_quiet: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in ((log.QUIET_JOBS, run), ("SLURM_JOB_ID", job)):
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)
    with log.log_job(tmp_path / "a.log"):
        log.logger.info("a word")
    assert ("a word" in capsys.readouterr().err) != is_quiet
    assert "a word" in (tmp_path / "a.log").read_text()
