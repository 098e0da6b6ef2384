"""A section of `--config` says what the same YAML says in a file, though Snakemake makes text of its values."""

from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from snakemake.cli import parse_config
from snakemake.utils import update_config

from lightsheet.workflow import type_config_values

FILE: dict[str, Any] = {"name": "a", "input": {"folder": "488"}, "psf": {"background": "3"}, "pilot": {}}


def read(*arguments: str, file: dict[str, Any] = FILE) -> dict[str, Any]:
    """Return the configuration as the Snakefile has it."""
    config = yaml.safe_load(yaml.safe_dump(file))
    update_config(config, parse_config(list(arguments)))
    type_config_values(config, SimpleNamespace(config_settings=SimpleNamespace(config_args=arguments)))
    return config


@pytest.mark.parametrize(
    "section",
    [
        "deconvolution={iterations: 3, background: {ch0: 100.5, ch1: auto}}",
        "voxel_size={z: 0.3, override: true}",
        'input={settle: 1, image: "0", select: {timepoints: "0:1", channels: [a, "488"], z: [0, 10]}}',
        "psf={background: 3, files: {ch0: {path: a.tif, channel: 1}}}",
        'output={"dtype": "uint16", "scale": 2.0, codec: {name: gzip, configuration: {level: 3}}}',
        "pilot={iterations: [1, 2], methods: [{background: 3}]}",
        "output=\n  scale: 2",
    ],
)
def test_values_of_a_section_are_what_they_are_in_a_file(section: str) -> None:
    key, _, text = section.partition("=")
    expected = yaml.safe_load(yaml.safe_dump(FILE))
    update_config(expected, {key: yaml.safe_load(text)})
    assert read(section) == expected
    assert repr(read(section)) == repr(expected), "1 is not True"


def test_slices_and_keys_stay_text() -> None:
    select = read("input={select: {timepoints: 0:10}, folder: 2026-01-02}", "psf={files: {488: a.tif}}")
    assert select["input"] == {"select": {"timepoints": "0:10"}, "folder": "2026-01-02"}
    assert select["psf"]["files"] == {"488": "a.tif"}


def test_what_is_no_section_is_left_to_snakemake_and_the_last_of_two_counts() -> None:
    assert read("name=demo", "output={scale: 2", "pilot=") == {
        **FILE,
        "name": "demo",
        "output": "{scale: 2",
        "pilot": None,
    }
    assert read("output={scale: 2}", "output={scale: 3, dtype: uint16}")["output"] == {"scale": 3, "dtype": "uint16"}


def test_text_of_a_file_stays_text() -> None:
    assert read("psf={files: {a: 3}}")["psf"] == {"background": "3", "files": {"a": 3}}
    outer = {"input": {"folder": "x", "settle": "5"}}
    type_config_values(outer, SimpleNamespace(config_settings=SimpleNamespace(config_args=["input={settle: 60}"])))
    assert outer["input"]["settle"] == "5", "a module may have another configuration"
