"""Errors as Snakemake prints them."""

from snakemake.exceptions import format_exception_to_string

from lightsheet.workflow.run_error import RunError


def test_a_sentence_comes_without_lines_of_the_snakefile() -> None:
    code = compile("raise error", "Snakefile", "exec")
    error = RunError("data/red: no such folder")
    try:
        exec(code, {"error": error})
    except RunError as caught:
        text = format_exception_to_string(caught, {"Snakefile": {1: 55}})
    assert text == "RunError:\ndata/red: no such folder"
