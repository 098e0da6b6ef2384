"""Files of a configuration with which YAML or Snakemake would do something else than a person thinks."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.exceptions import WorkflowError

from lightsheet.workflow import check_config_files, describe_default

GOOD = "name: demo  # 5 µm beads\ninput: {folder: data}\npsf:\n  files: {GFP: psf.tif}\n"


def check(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    check_config_files(SimpleNamespace(overwrite_configfiles=[path], configfiles=[]))


def refuse(path: Path, content: bytes) -> str:
    with pytest.raises(WorkflowError) as error:
        check(path, content)
    return str(error.value)


@pytest.mark.parametrize(
    "content",
    [
        GOOD.encode(),
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.replace("\n", "\r\n").encode(),
        b'{"name": "demo",\n\t"input": {"folder": "data"}}',
        b"a: &a {x: 1}\nb: &b {y: 2}\nc:\n  <<: *a\n  <<: *b\n",
        b"",
    ],
)
def test_what_can_be_read_is_not_refused(tmp_path: Path, content: bytes) -> None:
    check(tmp_path / "my.yaml", content)


def test_the_configuration_is_named_where_a_person_has_not(tmp_path: Path) -> None:
    workflow = SimpleNamespace(overwrite_configfiles=[], configfiles=["config/config.yaml"])
    assert describe_default(workflow).startswith(" (the configuration is config/config.yaml, as no other was named")
    workflow.overwrite_configfiles = [tmp_path / "my.yaml"]
    assert not describe_default(workflow)


@pytest.mark.parametrize("value", ["1:30", "10:20:2", "[0, 2:40]"])
def test_a_slice_that_yaml_takes_for_a_time_is_told(tmp_path: Path, value: str) -> None:
    content = f"{GOOD}  select: {{}}\n".replace("folder: data", f"folder: data, select: {{timepoints: {value}}}")
    sentence = refuse(tmp_path / "my.yaml", content.replace("  select: {}\n", "").encode())
    assert "config key input.select.timepoints" in sentence
    assert "write it in quotes" in sentence


def test_text_in_another_encoding_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    assert "line 1: this is not UTF-8" in refuse(path, GOOD.encode("latin1"))
    assert "line 3: this is not UTF-8" in refuse(path, b"name: demo\ninput:\n  folder: M\xfcller\n")
    assert "this is not UTF-8" in refuse(path, GOOD.encode("utf-16"))


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (GOOD + "name: other\n", "name"),
        (GOOD.replace("{GFP: psf.tif}", "{GFP: psf.tif, GFP: other.tif}"), "psf.files.GFP"),
        ('{"name": "a", "input": {"folder": "x", "folder": "y"}}', "folder"),
        ("pilot:\n  methods:\n  - {iterations: 3, iterations: 5}\n", "pilot.methods.iterations"),
    ],
)
def test_a_key_that_stands_twice_is_refused(tmp_path: Path, content: str, key: str) -> None:
    assert f"config key {key} stands there twice" in refuse(tmp_path / "my.yaml", content.encode())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("input:\n\tfolder: data\n", "line 2, column 1: this is not YAML: .* with spaces, not with tabs"),
        ("name: demo\ninput: {folder: data\n", "line 3, column 1: this is not YAML"),
        ('input: {folder: "C:\\data"}\n', "line 1, .* this is not YAML"),
        ("name: *x\n", "undefined alias"),
        ("name: a\0b\n", "this is not YAML"),
    ],
)
def test_what_is_no_yaml_is_told_with_its_line(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(WorkflowError, match=words):
        check(tmp_path / "my.yaml", content.encode())
