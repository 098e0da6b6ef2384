"""Which engine `cpu` is: one for all of a run, and no other one on a node that lacks it."""

import pytest

from lightsheet.deconvolution import check_engine, choice, list_engines, resolve_engine, richardson_lucy, try_engine
from lightsheet.deconvolution.lanes import processor
from lightsheet.system import InputError
from tests.deconvolution.test_richardson_lucy import BLOB, GOOD


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    """Let a test set what else is asked once in a process; and let the run's decision be of this test."""
    monkeypatch.delenv(choice.DECISION, raising=False)
    for function in (processor.explain_absence, processor.list_features):
        function.cache_clear()
    yield
    monkeypatch.undo()
    for function in (processor.explain_absence, processor.list_features):
        function.cache_clear()


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("NUMBA_CPU_FEATURES", "+sse2,-fma", r"has no fused multiply-add \(FMA\)"),
        ("NUMBA_DISABLE_JIT", "1", "NUMBA_DISABLE_JIT is set"),
    ],
)
def test_a_machine_that_cannot_compile_uses_sweeps(variable, value, reason, monkeypatch):
    monkeypatch.setattr(processor.platform, "machine", lambda: "x86_64")
    monkeypatch.setenv(variable, value)
    assert resolve_engine("cpu") == "cpu-sweeps"
    assert list_engines("auto") == ("gpu", "cpu-sweeps")
    with pytest.raises(
        InputError, match=rf"engine: cpu cannot be used on .*: .*{reason}; .* choose engine: cpu-sweeps"
    ):
        check_engine("cpu")
    check_engine("cpu-sweeps")


def test_nothing_is_compiled_without_numba(monkeypatch):
    monkeypatch.setattr(processor, "find_spec", lambda name: None if name == "numba" else object())
    assert processor.explain_absence() == "numba is not installed"
    result, expected = (richardson_lucy(GOOD, BLOB, iterations=2, engine=engine) for engine in ("cpu", "cpu-sweeps"))
    assert (result == expected).all()


def test_the_jobs_of_a_run_follow_its_decision(monkeypatch):
    """Their nodes may have what the machine lacks where the run began, and the other way round."""
    assert resolve_engine("cpu") == "cpu"
    assert list_engines("cpu") == ("cpu",)
    monkeypatch.setenv(choice.DECISION, "cpu-sweeps")
    assert resolve_engine("cpu") == "cpu-sweeps"
    monkeypatch.setenv(choice.DECISION, "cpu")
    monkeypatch.setattr(choice, "explain_absence", lambda: "the processor is old")
    assert resolve_engine("cpu") == "cpu"
    with pytest.raises(InputError, match="the processor is old; keep workers off such nodes"):
        try_engine("cpu")


def test_a_run_says_that_it_is_slow(monkeypatch, caplog):
    monkeypatch.setattr(choice, "explain_absence", lambda: "numba is not installed")
    monkeypatch.setenv(choice.DECISION, "")
    choice.decide_cpu_engine()
    assert resolve_engine("cpu") == "cpu-sweeps"
    assert "several times slower (as cpu-sweeps): numba is not installed" in caplog.text
