from pathlib import Path

import pytest

from lightsheet.cluster import jobqueue, section
from lightsheet.system.errors import InputError


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIGHTSHEET_JOBQUEUE", str(tmp_path / "jobqueue.yaml"))
    return tmp_path / "jobqueue.yaml"


def test_the_profiles_own_sections_are_read() -> None:
    cpu, gpu = section.read_section("cpu"), section.read_section("gpu")
    assert (cpu.cores, cpu.gpu, cpu.memory, cpu.walltime, cpu.patience) == (8, False, None, 14400, 43200)
    assert gpu.gpu


def test_units_are_those_of_dask_and_sbatch(file: Path) -> None:
    file.write_text(
        "jobqueue: {big: {cores: 4, memory: 64GiB, walltime: '1-00:00:00'}}\nlightsheet: {wait-for-workers: 90s}"
    )
    assert section.read_section("big") == section.Section("big", 4, False, 64 * 2**30, 86400, 90)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("jobqueue: {big: {cores: 4, walltime: long}}", "section big: walltime 'long' is not a time"),
        ("jobqueue: {big: {cores: 4, walltime: 12:00:00}}", "section big: walltime 43200 must stand in quotes"),
        ("jobqueue: {big: {cores: many}}", "section big: invalid literal for int.*'many'"),
        ("jobqueue: {big: {cores: 4, memory: lots}}", "section big: Could not interpret 'lots'"),
        ("jobqueue: {big: {cores: 4}}\nlightsheet: {wait-for-workers: 5 mins}", "section big: .*mins"),
        ("jobqueue: {small: {}}", "has no section 'big'; it may be one of local, small"),
        ("{}", "has no section 'big'; it may be one of local$"),
    ],
)
def test_a_mistake_is_answered_with_the_file_and_the_section(file: Path, content: str, sentence: str) -> None:
    file.write_text(content)
    with pytest.raises(InputError, match=sentence) as caught:
        section.read_section("big")
    assert str(file) in str(caught.value)


def test_a_missing_file_is_named(file: Path) -> None:
    with pytest.raises(InputError, match=f"{file} is not there"):
        section.read_section("cpu")


def test_a_folder_with_a_blank_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="with a blank in its name; rename it"):
        jobqueue.start_scheduler(section.read_section("cpu"), "ls-test", tmp_path / "my logs", 10**9)


def test_memory_is_rounded_up() -> None:
    assert jobqueue.format_memory(2**20 + 1) == "2MiB"
