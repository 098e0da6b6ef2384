"""What a run prints, from the records that Snakemake logs."""

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from lightsheet.workflow import stages
from lightsheet.workflow.screen import draw_bar
from tests.support.terminal_records import LOG_LINE, START_FILE, begin, make, plan, read, send
from tests.support.tty import Tty


def test_a_rule_is_one_line_and_snakemake_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "time", SimpleNamespace(monotonic=lambda: 1000.0))
    handler = make()
    send(handler, "Building DAG of jobs...")
    send(handler, "a: 3 timepoints", path=START_FILE)
    plan(handler, ingest=2)
    for number in (1, 2):
        begin(handler, number, "ingest", tmp_path / f"{number}.log")
        line = f"INFO ingest red {number}/{number}: timepoint (0.4 s per volume, 0 s left)"
        (tmp_path / f"{number}.log").write_text(LOG_LINE.format(line))
        send(handler, "x", event=LogEvent.JOB_FINISHED, job_id=number)
        send(handler, None, event=LogEvent.PROGRESS, done=1, total=2)
    assert read(handler) == "a: 3 timepoints\njobs: ingest 2\ningest       3 volumes in 2 jobs done in 0 s\n"


def test_what_is_chosen_for_the_user_is_told_and_trials_are_not_taken_for_volumes(tmp_path: Path) -> None:
    handler, log = make(), tmp_path / "deconvolve.log"
    plan(handler, deconvolve=1)
    begin(handler, 1, "deconvolve", log)
    lines = ["INFO 2 Dask workers on node7; Dask dashboard at http://127.0.0.1:1/status"]
    expected = [f"deconvolve   {draw_bar(0)} 2 Dask workers on node7"]
    lines.append("INFO iterations: auto 1/2: red timepoint 0; 1 in flight (8.0 s per volume, 8 s left)")
    expected.append(f"deconvolve   {draw_bar(0.5)} iterations: auto: 1 of 2 volumes, 8.0 s per volume, 8 s left")
    lines.append("INFO deconvolve 3/4: red timepoint 2; 1 in flight (2.0 s per volume, 2 s left)")
    expected.append(f"deconvolve   {draw_bar(0.75)} 3 of 4 volumes, 2.0 s per volume, 2 s left")
    for line in lines:
        with log.open("a") as file:
            file.write(LOG_LINE.format(line))
        handler.look()
        handler.tell_progress()
    with log.open("a") as file:
        file.write(LOG_LINE.format("NOTICE red: iterations: auto comes to 64, by timepoints 0, 3"))
    handler.look()
    assert read(handler).splitlines()[1:] == [*expected, "red: iterations: auto comes to 64, by timepoints 0, 3"]


@pytest.mark.parametrize(("targets", "is_shown"), [(("inventory",), True), (("all",), False)])
def test_the_log_of_what_the_user_asks_for_is_shown(tmp_path: Path, targets: tuple[str, ...], is_shown: bool) -> None:
    handler, log = make(targets=targets), tmp_path / "inventory.log"
    plan(handler, inventory=1)
    begin(handler, 1, "inventory", log)
    log.write_text(LOG_LINE.format("INFO understood:\nfolder  data"))
    send(handler, "x", event=LogEvent.JOB_FINISHED, job_id=1)
    assert ("understood:\nfolder  data\n" in read(handler)) == is_shown


def test_a_dry_run_lists_jobs_by_rule_however_many_there_are() -> None:
    handler = make(is_dry=True)
    plan(handler, ingest=900, deconvolve=900)
    for number in range(1800):
        begin(handler, number, "ingest", Path("x.log"))
    plan(handler, ingest=900, deconvolve=900)
    send(handler, "This was a dry-run (flag -n). The order of jobs")
    assert read(handler).splitlines() == [
        "jobs: ingest 900, deconvolve 900",
        "Nothing was done: this was a dry run (-n).",
    ]


def test_a_run_with_nothing_to_do_says_what_there_is() -> None:
    handler = make()
    send(handler, "Nothing to be done (all requested files are present and up to date).")
    assert read(handler) == "Nothing to be done: what there is is what the configuration says.\nwhat there is\n"


def test_a_terminal_shows_bars_below_the_lines_that_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    handler, log = make(Tty()), tmp_path / "a.log"
    plan(handler, deconvolve=1)
    begin(handler, 1, "deconvolve", log)
    log.write_text(LOG_LINE.format("INFO deconvolve 3/12: t 3; 2 in flight (0.4 s per volume, 4 s left)"))
    handler.look()
    assert "deconvolve   [#####...............] 3 of 12 volumes, 0.4 s per volume, 4 s left\n" in read(handler)
    handler.screen.write("psf: a doubt")
    assert read(handler).endswith("\x1b[1A\r\x1b[Jpsf: a doubt\n" + f"{handler.screen.live[0]}\n")
    handler.tell_progress()
    assert read(handler).count("3 of 12") == 2, "a terminal needs no plain lines"


def test_a_plain_line_is_written_again_only_when_it_has_changed(tmp_path: Path) -> None:
    handler, log = make(), tmp_path / "a.log"
    plan(handler, deconvolve=1)
    begin(handler, 1, "deconvolve", log)
    for done in (3, 3, 3, 4, 4):
        log.write_text(LOG_LINE.format(f"INFO deconvolve {done}/12: t 3; 2 in flight (0.4 s per volume, 4 s left)"))
        handler.look()
        handler.tell_progress()
    assert [line.split()[2] for line in read(handler).splitlines()[1:]] == ["3", "4"]


def test_without_a_terminal_progress_is_plain_lines_and_no_escapes(tmp_path: Path) -> None:
    handler, log = make(), tmp_path / "a.log"
    plan(handler, consolidate=1)
    begin(handler, 1, "consolidate", log)
    log.write_text(LOG_LINE.format("INFO checking 12 shards"))
    handler.look()
    handler.tell_progress()
    assert read(handler).splitlines()[1:] == ["consolidate  [....................] checking 12 shards"]


def test_without_a_terminal_what_slurm_says_of_a_rule_is_not_told_beside_its_log(tmp_path: Path) -> None:
    handler, log = make(), tmp_path / "a.log"
    plan(handler, deconvolve=1)
    begin(handler, 1, "deconvolve", log)
    send(handler, "deconvolve: 3 of 12 volumes", path=START_FILE, progress=["deconvolve: 3 of 12 volumes"])
    log.write_text(LOG_LINE.format("INFO deconvolve 3/12: red timepoint 1; 2 in flight (0.4 s per volume, 4 s left)"))
    handler.look()
    handler.tell_progress()
    assert read(handler).splitlines()[1:] == ["deconvolve: 3 of 12 volumes"]


def test_what_slurm_said_of_a_rule_that_is_over_is_drawn_no_more(tmp_path: Path) -> None:
    handler = make(Tty())
    plan(handler, ingest=1, deconvolve=1)
    begin(handler, 1, "ingest", tmp_path / "a.log")
    send(handler, "ingest: runs", path=START_FILE, progress=["ingest: runs", "squeue does not answer"])
    send(handler, "x", event=LogEvent.JOB_FINISHED, job_id=1)
    assert handler.screen.live == ["squeue does not answer"]


def test_snakemake_in_a_job_of_slurm_says_nothing_against_it() -> None:
    handler = make()
    send(handler, "You are running snakemake in a SLURM job context. This is not ...", level=logging.WARNING)
    assert read(handler) == ""
