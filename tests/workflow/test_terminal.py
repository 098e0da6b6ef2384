"""What a run prints, from the records that Snakemake logs."""

import io
import logging
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from lightsheet.cluster import FINAL
from lightsheet.workflow import output, stages, terminal
from lightsheet.workflow.screen import Screen, catch_errors, draw_bar
from lightsheet.workflow.terminal import Terminal
from tests.support.small_disk import mount_memory, unmount
from tests.support.tty import Tty

LOG_LINE = "2026-11-29 11:43:21 {}\n"
OURS = str(Path(terminal.__file__).with_name("start.py"))


def make(stream: io.StringIO | None = None, *, is_dry: bool = False, targets: tuple[str, ...] = ()) -> Terminal:
    rules = [SimpleNamespace(name=name) for name in targets]
    names = {"forcefiles": set(), "targetrules": rules, "needrun_jobs": None}
    made = Terminal(SimpleNamespace(dag=SimpleNamespace(**names)), lambda: ["what there is"], is_dry=is_dry)
    made.screen = Screen(stream or io.StringIO())
    return made


def send(
    handler: Terminal, message: str | None = None, *, level: int = logging.INFO, path: str = "api.py", **fields: Any
) -> None:
    record = logging.LogRecord("snakemake", level, path, 1, message, None, None)
    record.__dict__.update(fields)
    handler.handle(record)


def plan(handler: Terminal, **jobs: int) -> None:
    send(handler, "table", event=LogEvent.RUN_INFO, stats={**jobs, "all": 1, "total": 1 + sum(jobs.values())})


def begin(handler: Terminal, number: int, rule: str, log: Path) -> None:
    send(handler, "x", event=LogEvent.JOB_INFO, jobid=number, rule_name=rule, log=[str(log)])


def fail(handler: Terminal, number: int, rule: str, logs: Sequence[Any], message: str | None = None) -> None:
    fields = {"event": LogEvent.JOB_ERROR, "jobid": number, "rule_name": rule, "log": logs, "rule_msg": message}
    send(handler, "x", level=logging.ERROR, **fields)


def read(handler: Terminal) -> str:
    stream = handler.screen.stream
    assert isinstance(stream, io.StringIO)
    return stream.getvalue()


def test_a_rule_is_one_line_and_snakemake_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "time", SimpleNamespace(monotonic=lambda: 1000.0))
    handler = make()
    send(handler, "Building DAG of jobs...")
    send(handler, "a: 3 timepoints", path=OURS)
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


def test_what_is_wrong_is_told_at_once_and_a_death_without_a_word_too(tmp_path: Path) -> None:
    handler, log = make(), tmp_path / "psf.log"
    plan(handler, psf=2)
    for number in (1, 2):
        begin(handler, number, "psf", log)
        if number == 1:
            log.write_text(LOG_LINE.format("INFO quiet") + LOG_LINE.format("ERROR psf/488.tif: it is empty"))
            handler.look()
        send(
            handler,
            "x",
            level=logging.ERROR,
            event=LogEvent.JOB_ERROR,
            jobid=number,
            rule_name="psf",
            log=[log],
            rule_msg=None,
        )
    send(handler, "RuleException:\nCalledProcessError in file", level=logging.ERROR)
    send(handler, "a warning of Snakemake", level=logging.WARNING)
    assert read(handler).splitlines()[1:] == [
        "psf: psf/488.tif: it is empty",
        f"psf: failed without a word; see {log}",
        "a warning of Snakemake",
    ]


RULE_EXCEPTION = "RuleException:\nCalledProcessError in file \"Snakefile\", line 3:\nCommand 'python a.py' "


@pytest.mark.parametrize(
    ("exit_text", "line", "expected"),
    [
        (
            "died with <Signals.SIGKILL: 9>.",
            "",
            "was killed (SIGKILL), as Linux does when memory runs out, or a person",
        ),
        ("returned non-zero exit status 139.", "", "was ended by SIGSEGV"),
        ("returned non-zero exit status 1.", "ImportError: no", "failed without a word"),
        ("returned non-zero exit status 1.", "Traceback (most", "failed for the reason that it printed here"),
        ("returned non-zero exit status 1.", LOG_LINE.format("ERROR no log"), "failed for the reason that it printed"),
    ],
)
def test_of_a_job_whose_log_has_no_error_it_is_told_what_else_is_known(
    tmp_path: Path, exit_text: str, line: str, expected: str
) -> None:
    handler, log = make(), tmp_path / "psf.log"
    plan(handler, psf=2)
    for number in (1, 2):
        begin(handler, number, "psf", log)
    handler.tell_line(line)
    send(handler, RULE_EXCEPTION + exit_text, level=logging.ERROR)
    fail(handler, 1, "psf", [log])
    fail(handler, 2, "psf", [log])
    first, second = read(handler).splitlines()[-2:]
    assert first.startswith(f"psf: {expected}")
    assert str(log) in first
    assert second == f"psf: failed without a word; see {log}", "of the first alone"


def test_a_job_that_could_not_log_for_want_of_room_is_said_to_have_failed_of_that(tmp_path: Path) -> None:
    handler, log = make(), tmp_path / "logs" / "psf.log"
    mount_memory(log.parent, 64)
    try:
        plan(handler, psf=1)
        begin(handler, 1, "psf", log)
        fail(handler, 1, "psf", [log])
    finally:
        unmount(log.parent)
    assert read(handler).splitlines()[-1] == f"psf: failed, and its disk has no room for the reason in {log}"


def test_the_end_of_a_job_of_slurm_is_told(tmp_path: Path) -> None:
    handler, message = (
        make(),
        "SLURM-job '7' failed, SLURM status is: 'TIMEOUT'. For further error details see the log.",
    )
    plan(handler, ingest=1)
    begin(handler, 1, "ingest", tmp_path / "a.log")
    fail(handler, 1, "ingest", ["a.log"], message)
    assert read(handler).endswith("\ningest: SLURM job 7: it reached its time limit (TIMEOUT)\n")


@pytest.mark.parametrize(("targets", "shown"), [(("inventory",), True), (("all",), False)])
def test_the_log_of_what_the_user_asks_for_is_shown(tmp_path: Path, targets: tuple[str, ...], shown: bool) -> None:
    handler, log = make(targets=targets), tmp_path / "inventory.log"
    plan(handler, inventory=1)
    begin(handler, 1, "inventory", log)
    log.write_text(LOG_LINE.format("INFO understood:\nfolder  data"))
    send(handler, "x", event=LogEvent.JOB_FINISHED, job_id=1)
    assert ("understood:\nfolder  data\n" in read(handler)) == shown


def test_after_ctrl_c_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    handler = make()
    plan(handler, ingest=1)
    begin(handler, 1, "ingest", Path("absent.log"))
    send(handler, "Terminating processes on user request, this might take some time.")
    send(
        handler,
        "Error",
        level=logging.ERROR,
        event=LogEvent.JOB_ERROR,
        jobid=1,
        rule_name="ingest",
        log=[],
        rule_msg="x",
    )
    send(handler, "raw red timepoint 0: it failed", level=logging.ERROR, path=OURS)
    handler.tell_line("Traceback (most recent call last):")
    assert read(handler) == f"jobs: ingest 1\n{terminal.CALM}\n"


def test_a_second_ctrl_c_does_not_end_what_stops_the_jobs() -> None:
    handler, before = make(), signal.getsignal(signal.SIGINT)
    try:
        send(handler, "Terminating processes on user request, this might take some time.")
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert read(handler).splitlines() == [terminal.CALM, terminal.STOPPING, terminal.STOPPING]


@pytest.mark.parametrize(("program", "is_ignored"), [("/bin/snakemake", True), ("/jupyter", False)])
def test_ctrl_c_counts_again_after_the_run_unless_the_process_ends_with_it(
    monkeypatch: pytest.MonkeyPatch, program: str, is_ignored: bool
) -> None:
    monkeypatch.setattr("sys.argv", [program])
    settings = SimpleNamespace(verbose=False, quiet=None)
    workflow = SimpleNamespace(output_settings=settings, main_snakefile=output.CHECKOUT / "Snakefile")
    before, own = signal.getsignal(signal.SIGINT), logging.NullHandler()
    own.name = output.REPLACED
    output.logger.addHandler(own)
    try:
        with output.print_run(workflow, list, is_dry=False):
            output.logger.warning("Terminating processes on user request, this might take some time.")
        after = signal.getsignal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
        output.logger.removeHandler(own)
    assert after == (signal.SIG_IGN if is_ignored else before)


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


def test_a_run_goes_on_when_nobody_reads_its_standard_error_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    kept = os.dup(2)
    os.dup2(writing, 2)
    try:
        with os.fdopen(writing, "w") as stream:
            monkeypatch.setattr("sys.stderr", stream)
            with catch_errors(str) as real:
                Screen(real).write("one line")
    finally:
        os.dup2(kept, 2)
        os.close(kept)


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
    send(handler, "deconvolve: 3 of 12 volumes", path=OURS, progress=["deconvolve: 3 of 12 volumes"])
    log.write_text(LOG_LINE.format("INFO deconvolve 3/12: red timepoint 1; 2 in flight (0.4 s per volume, 4 s left)"))
    handler.look()
    handler.tell_progress()
    assert read(handler).splitlines()[1:] == ["deconvolve: 3 of 12 volumes"]


def test_what_slurm_said_of_a_rule_that_is_over_is_drawn_no_more(tmp_path: Path) -> None:
    handler = make(Tty())
    plan(handler, ingest=1, deconvolve=1)
    begin(handler, 1, "ingest", tmp_path / "a.log")
    send(handler, "ingest: runs", path=OURS, progress=["ingest: runs", "squeue does not answer"])
    send(handler, "x", event=LogEvent.JOB_FINISHED, job_id=1)
    assert handler.screen.live == ["squeue does not answer"]


def test_snakemake_in_a_job_of_slurm_says_nothing_against_it() -> None:
    handler = make()
    send(handler, "You are running snakemake in a SLURM job context. This is not ...", level=logging.WARNING)
    assert read(handler) == ""


def test_a_list_of_which_some_was_told_keeps_its_head(tmp_path: Path) -> None:
    handler, log = make(), tmp_path / "deconvolve.log"
    plan(handler, deconvolve=1)
    begin(handler, 0, "deconvolve", log)
    heads = [
        "1 of 3 volumes could not be deconvolved:\nred timepoint 0: cut",
        "2 of 3 volumes could not be deconvolved:",
    ]
    log.write_text("".join(LOG_LINE.format(f"ERROR {text}") for text in heads[:1] * 2))
    with log.open("a") as end:
        end.write(LOG_LINE.format(f"ERROR {heads[1]}\nred timepoint 0: cut\nred timepoint 1: cut"))
    handler.look()
    assert read(handler).splitlines()[1:] == [
        "deconvolve: 1 of 3 volumes could not be deconvolved:",
        "red timepoint 0: cut",
        "deconvolve: 2 of 3 volumes could not be deconvolved:",
        "red timepoint 1: cut",
    ]


def test_a_volume_that_failed_is_told_once(tmp_path: Path) -> None:
    handler, sentence = make(), "red timepoint 0: a.tif: the file is cut off"
    plan(handler, ingest=1, deconvolve=1)
    for number, (rule, text) in enumerate(
        {"ingest": sentence, "deconvolve": f"1 of 2 volumes could not be deconvolved:\n{sentence}\n{FINAL}"}.items()
    ):
        log = tmp_path / f"{rule}.log"
        begin(handler, number, rule, log)
        log.write_text(LOG_LINE.format(f"ERROR {text}"))
        fail(handler, number, rule, [log])
    send(handler, f"raw {sentence}", level=logging.ERROR, path=OURS)
    send(handler, "raw red timepoint 1: another", level=logging.ERROR, path=OURS)
    assert read(handler).splitlines()[1:] == [
        f"ingest: {sentence}",
        "deconvolve: 1 of 2 volumes could not be deconvolved, as said above",
        "raw red timepoint 1: another",
    ]


def test_an_error_without_words_ends_nothing(tmp_path: Path) -> None:
    handler, log = make(), tmp_path / "ingest.log"
    plan(handler, ingest=1)
    begin(handler, 1, "ingest", log)
    log.write_text(LOG_LINE.format("ERROR ") + LOG_LINE.format(f"ERROR {FINAL}") + LOG_LINE.format("ERROR a reason"))
    handler.look()
    assert "ingest: a reason" in read(handler)
