"""Logs of jobs, read while they grow."""

from pathlib import Path

from lightsheet.workflow.job_log import JobLog, Line, parse_lines

START = "2026-11-29 11:43:21 "


def test_only_whole_lines_since_the_job_began_are_read(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    path.write_text(f"{START}ERROR of an earlier run\n")
    log = JobLog([str(path), str(tmp_path / "absent.log")])
    with path.open("a") as file:
        file.write(f"{START}WARNING a channel\n  and its")
        file.flush()
        assert log.read_news() == [Line("WARNING", "a channel")]
        file.write(f" doubts\n{START}INFO deconvolve 3/12: t 3; 2 in flight (0.4 s per volume, 4 s left)\n")
    assert log.read_news()[-1].level == "INFO"
    assert not log.has_error
    assert log.count == (3, 12, "0.4 s per volume, 4 s left", "volume", "deconvolve")
    assert log.read_news() == []


def test_a_log_that_is_made_anew_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    path.write_text(f"{START}INFO checking 12 shards\n")
    log = JobLog([str(path)])
    path.unlink()
    path.write_text(f"{START}INFO checking 13 shards\n{START}ERROR a shard is damaged\n")
    assert [line.text for line in log.read_news()] == ["checking 13 shards", "a shard is damaged"]


def test_the_unit_of_fast_steps_is_no_second(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    log = JobLog([str(path)])
    path.write_text(f"{START}INFO ingest red 1/3: timepoint 0 written (29 volumes per second, 0 s left)\n")
    log.read_news()
    assert log.count
    assert log.count.unit == "volume"


def test_lines_that_continue_one_belong_to_it_and_tracebacks_stay_in_the_log() -> None:
    text = f"""not a line
{START}INFO this was understood:
folder  data
{START}ERROR this job failed
Traceback (most recent call last):
  File "x.py", line 1, in <module>
ValueError: no
{START}INFO next
"""
    assert parse_lines(text) == [
        Line("INFO", "this was understood:\nfolder  data"),
        Line("ERROR", "this job failed"),
        Line("INFO", "next"),
    ]
