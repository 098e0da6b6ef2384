"""The lines for a notebook in docs/notebook.md do what it says of them."""

import contextlib
import re
from pathlib import Path

import numpy as np
import pytest
import yaozarrs
import zarr

from lightsheet import deconvolution
from lightsheet.acquisition import open as open_acquisition
from lightsheet.psf import prepare_psf_file
from lightsheet.simulation import simulate
from tests.support.project import ROOT

SIZE = {"z": 0.3, "y": 0.104, "x": 0.104}


def test_the_lines_of_the_readme(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "notebook.md").read_text(encoding="utf-8")
    lines = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert lines
    simulate.simulate_acquisition(
        tmp_path / "data/demo", channels=2, timepoints=2, shape=(12, 40, 36), psf_shape=(31, 20, 20), progress=str
    )
    with contextlib.chdir(tmp_path):
        exec(compile(lines[1], "notebook.md", "exec"), {})
    yaozarrs.validate_zarr_store(str(tmp_path / "demo.ome.zarr"))
    written = zarr.open_array(tmp_path / "demo.ome.zarr" / "0", mode="r")
    assert (written.shape, written.dtype) == ((2, 2, 12, 40, 36), np.float32)
    images = open_acquisition(tmp_path / "data/demo")
    kernel, _ = prepare_psf_file(tmp_path / "data/demo/psf/488.tif", {**SIZE, "z": 0.1}, SIZE)
    expected = deconvolution.richardson_lucy(images[1, 0].compute() - 100.0, kernel, iterations=10)
    np.testing.assert_allclose(written[0, 1], expected, rtol=1e-5)
    assert float(capsys.readouterr().out) == pytest.approx(written[0, 0].max())
