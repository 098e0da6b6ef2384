"""What a run prints of errors, and after Ctrl-C: each thing once, and at once."""

import logging
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from lightsheet.cluster import FINAL
from lightsheet.workflow import output, terminal
from lightsheet.workflow.screen import Screen, catch_errors
from tests.support.small_disk import mount_memory, unmount
from tests.support.terminal_records import LOG_LINE, START_FILE, begin, fail, make, plan, read, send


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
    send(handler, "raw red timepoint 0: it failed", level=logging.ERROR, path=START_FILE)
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
    before, handler = signal.getsignal(signal.SIGINT), logging.NullHandler()
    handler.name = output.REPLACED
    output.logger.addHandler(handler)
    try:
        with output.print_run(workflow, list, is_dry=False):
            output.logger.warning("Terminating processes on user request, this might take some time.")
        after = signal.getsignal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
        output.logger.removeHandler(handler)
    assert after == (signal.SIG_IGN if is_ignored else before)


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
    send(handler, f"raw {sentence}", level=logging.ERROR, path=START_FILE)
    send(handler, "raw red timepoint 1: another", level=logging.ERROR, path=START_FILE)
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
