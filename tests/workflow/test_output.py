"""When the output of a run takes the place of Snakemake's."""

import logging
from types import SimpleNamespace

import pytest

from lightsheet.workflow import output


def test_without_a_standard_error_snakemake_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    settings = SimpleNamespace(verbose=False, quiet=None)
    workflow = SimpleNamespace(output_settings=settings, main_snakefile=output.CHECKOUT / "Snakefile")
    handler = logging.NullHandler()
    handler.name = output.REPLACED
    output.logger.addHandler(handler)
    try:
        with output.print_run(workflow, list, is_dry=False):
            assert handler in output.logger.handlers
    finally:
        output.logger.removeHandler(handler)
