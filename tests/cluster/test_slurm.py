import os
import time
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from lightsheet.cluster import slurm, slurm_command
from tests.support.fake_commands import command

QUEUE = """cat <<END
12|RUNNING|None|c1|ls-a-1-t0000
13|PENDING|Resources||ls-a-1-t0001
14|OUT_OF_MEMORY|OutOfMemory|c2|ls-a-1-t0000
15|RUNNING|None|c2|ls-a-2-t0000
16|RUNNING|None|c2|name|with a bar
17|RUNNING|None|c2|ls-a-10
18|RUNNING|None|c2|ls-a-1_0c5a
19|RUNNING|None|c2|a name of
two lines
CLUSTER: serial
slurm_load_jobs: this cluster rests on Sunday | see the wiki
END"""


def test_the_queue_is_read_by_whole_words_of_names_and_what_is_no_job_is_passed_over(commands: Path) -> None:
    command(commands, "squeue", QUEUE)
    jobs = slurm.list_jobs("ls-a-1")
    assert [(job.id, job.is_over) for job in jobs] == [*(("12", False), ("13", False), ("14", True), ("18", False))]
    assert [job.id for job in slurm.list_jobs("ls-a-1-t0000")] == ["12", "14"]
    assert jobs[1].reason == "Resources"
    assert jobs[2].words == (
        "job 14 on c2: it was killed, because it used more memory than it had asked for (OUT_OF_MEMORY)"
    )


def test_a_sweep_cancels_what_is_running_or_pending_of_this_run_alone(
    commands: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(seconds / 10))
    command(commands, "squeue", QUEUE)
    command(commands, "scancel", f"echo $@ > {commands}/cancelled")
    start = time.monotonic()
    assert slurm.cancel_jobs("ls-a-1", seconds=0.2) == ["12", "13", "18"]
    assert 0.2 <= time.monotonic() - start < 10, "waits for them to leave, but not for ever"
    assert (commands / "cancelled").read_text() == "--quiet 12 13 18\n"


def test_jobs_may_end_by_themselves_before_a_sweep(commands: Path) -> None:
    ending = f"sed -i /^12/d {commands}/queue"  # one job is about to end
    (commands / "queue").write_text("12|RUNNING|None|c1|ls-a-1\n13|RUNNING|None|c1|ls-a-1\n")
    command(commands, "squeue", f"cat {commands}/queue; {ending}")
    command(commands, "scancel", f"echo $@ > {commands}/cancelled")
    assert slurm.cancel_jobs("ls-a-1", patience=0.1) == ["13"]
    assert (commands / "cancelled").read_text() == "--quiet 13\n"


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm_command, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(slurm_command, "PAUSE_SECONDS", 0.05)


BUSY = """echo x >> {folder}/tried
if [ $(wc -l < {folder}/tried) -lt 3 ]; then echo 'error: Socket timed out on send/recv operation' >&2; exit 1; fi
"""


@pytest.mark.usefixtures("hasty")
def test_a_busy_controller_is_asked_again_to_cancel_to_remember_and_for_the_time_left(
    commands: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm_command, "PATIENCE_SECONDS", 60.0)
    for name, end, ask in (
        ("scancel", f"echo $@ > {commands}/cancelled", lambda: slurm.cancel_ids(["12"])),
        ("sacct", "echo 'name|COMPLETED|c1'", lambda: slurm.recall_job("12").state),
        ("squeue", "echo '1:00|2:00'", lambda: slurm.ask_time_left("12")),
    ):
        (commands / "tried").unlink(missing_ok=True)
        command(commands, name, BUSY.format(folder=commands) + end)
        answer = ask()
        assert answer in (None, "COMPLETED", (60, 120))
        assert (commands / "tried").read_text() == "x\n" * 3
    assert (commands / "cancelled").read_text() == "--quiet 12\n"


def test_a_command_that_a_signal_ends_is_asked_again_and_ctrl_c_of_the_terminal_ends_none(
    commands: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm_command, "PAUSE_SECONDS", 0.01)
    group = f"read -r _ _ _ _ group _ < /proc/$$/stat; echo $group > {commands}/group"
    command(commands, "scancel", f"{group}; mkdir {commands}/once && kill -INT $$; echo $@ > {commands}/cancelled")
    slurm.cancel_ids(["12"])
    assert (commands / "cancelled").read_text() == "--quiet 12\n"
    assert int((commands / "group").read_text()) != os.getpgrp()


def test_a_command_that_fails_without_a_word_is_said_to(commands: Path, caplog: pytest.LogCaptureFixture) -> None:
    command(commands, "squeue", "exit 3")
    assert slurm.cancel_jobs("ls") == []
    assert "under names like ls*: squeue: it ended with 3, without a word" in caplog.text


@pytest.mark.usefixtures("hasty")
def test_what_is_refused_is_not_asked_again(commands: Path) -> None:
    command(commands, "scancel", f"echo x >> {commands}/tried; echo 'Invalid job id specified' >&2; exit 1")
    slurm.cancel_ids(["12"])
    assert (commands / "tried").read_text() == "x\n"


@pytest.mark.usefixtures("hasty")
def test_a_silent_controller_is_no_empty_queue(commands: Path) -> None:
    command(commands, "squeue", "echo 'Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(slurm_command.NoAnswerError, match="Unable to contact"):
        slurm.list_jobs("ls")
    assert slurm.cancel_jobs("ls") == []


def test_accounting_is_asked_for_jobs_that_the_queue_forgot(commands: Path) -> None:
    command(commands, "sacct", "echo 'name|CANCELLED by 1000|c1'")
    assert slurm.recall_job("12") == slurm.SlurmJob("12", "CANCELLED", "", "c1", "name")
    command(commands, "sacct", "echo 'Welcome | to all'; printf 'two\nlines|with a bar|COMPLETED|c1\n'")
    assert slurm.recall_job("12").state == "COMPLETED"
    command(commands, "sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    assert "not known" in slurm.recall_job("12").words


@pytest.mark.parametrize(
    "line",
    [
        "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=7.batch. Some processes may have been killed",
        "slurmstepd: error: Detected 1 oom_kill event in StepId=7.0. Some of the step tasks have been OOM Killed.",
        "slurmstepd-c1: error: StepId=16.batch exceeded memory limit (459550720 > 400556032), being killed",
        "slurmstepd: error: Exceeded job memory limit at some point.",
        "srun: error: c1: task 0: Out Of Memory",
    ],
)
def test_a_memory_kill_is_read_in_the_log_where_the_state_hides_it(tmp_path: Path, line: str) -> None:
    job = slurm.SlurmJob("7", "FAILED", "", "c1", "name")
    (tmp_path / "log").write_text(f"INFO\n{line}\n")
    assert slurm.recognise_memory_kill(job, tmp_path / "log").state == "OUT_OF_MEMORY"
    (tmp_path / "log").write_text("Traceback: the memory of a good day\n")
    assert slurm.recognise_memory_kill(job, tmp_path / "log") == job
    assert slurm.recognise_memory_kill(job, tmp_path / "absent") == job


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 1800), ("30:15", 1815), ("04:00:00", 14400), ("1-12", 129600), ("1-12:30", 131400), ("2-00:00:01", 172801)],
)
def test_walltimes_are_read_as_sbatch_reads_them(text: str, seconds: int) -> None:
    assert slurm.parse_walltime(text) == seconds


@pytest.mark.parametrize("text", ["", "4h", "-5", "1:2:3:4", "UNLIMITED"])
def test_other_walltimes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time as sbatch takes it"):
        slurm.parse_walltime(text)


def test_a_block_does_not_sweep_another_one_whose_name_begins_alike(commands: Path) -> None:
    rows = [f"{number}|RUNNING|None|c1|ls-a-t{number}" for number in (1000, 10000, 10005)]
    command(commands, "squeue", "\n".join(["cat <<END", *rows, "END"]))
    command(commands, "scancel", f"echo $@ > {commands}/cancelled")
    assert slurm.cancel_jobs("ls-a-t1000") == ["1000"]
    assert (commands / "cancelled").read_text() == "--quiet 1000\n"


def test_two_paths_to_one_folder_have_one_label(tmp_path: Path) -> None:
    (tmp_path / "scratch" / "movie").mkdir(parents=True)
    (tmp_path / "home").symlink_to("scratch")
    assert slurm.label_jobs(tmp_path / "home" / "movie") == slurm.label_jobs(tmp_path / "scratch" / "movie")


@given(
    st.text(min_size=1).filter(lambda name: not {"/", "\0"} & set(name) and name not in {".", ".."}),
    st.sampled_from(["/a", "/b"]),
)
def test_a_label_can_begin_a_jobs_name_and_tells_runs_apart(name: str, folder: str) -> None:
    label = slurm.label_jobs(Path(folder) / name)
    assert label.isascii()
    assert label.replace("-", "").replace("_", "").isalnum()
    assert len(label) <= 40
    assert label != slurm.label_jobs(Path("/c") / name)


BANNER = """-------------------------------------------------------------
          Welcome to the Stampede3 Supercomputer, 2 notes
No reservation for this job
--> Verifying valid submit host (login4)...OK
"""


@pytest.mark.parametrize(
    ("output", "number"),
    [
        ("Submitted batch job 519605\n", "519605"),
        (f"{BANNER}Submitted batch job 519605\n", "519605"),
        (f"{BANNER}Submitted batch job 519605 on cluster serial\nBalance: 300 SU\n", "519605"),
        ("519605", "519605"),
        (f"{BANNER}519605;serial\n", "519605"),
        (f"2026\n{BANNER}519605\r\nYour budget: 12 h\n", "519605"),
        (BANNER, None),
        ("", None),
    ],
)
def test_the_number_of_a_job_is_read_among_banners(output: str, number: str | None) -> None:
    assert slurm.read_job_id(output) == number


def test_accounting_is_asked_on_the_cluster_of_the_jobs(commands: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unlike squeue and scancel, sacct reads no variable."""
    monkeypatch.setenv("SLURM_CLUSTERS", "serial")
    command(commands, "sacct", f"echo $* > {commands}/asked; echo 'name|COMPLETED|c1'")
    assert slurm.recall_job("12").state == "COMPLETED"
    assert "--clusters=serial" in (commands / "asked").read_text()
