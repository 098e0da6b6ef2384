"""What several test files of processing share."""

import pytest

from lightsheet.deconvolution import gpu_trial
from tests.support import fake_cupy


@pytest.fixture
def device(monkeypatch):
    device = fake_cupy.install(monkeypatch)
    monkeypatch.setattr(gpu_trial, "explain_absence", lambda: None)  # tests of the trial are others
    return device
