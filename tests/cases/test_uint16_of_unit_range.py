"""Images that were normalised to 0 to 1, and results in whole numbers: rounding leaves next to nothing of them."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from lightsheet.run import Run, choose_due, refuse_hopeless_channels
from tests.support.cases import play
from tests.support.project import Project


def test_14_is_refused_by_what_the_sample_shows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def begin(run: Run) -> None:
        choose_due(run)
        refuse_hopeless_channels(run)

    played = play(14, tmp_path, capsys, then=begin, common={"result": lambda _: []})
    assert "output.scale: the largest value of GFP is 0.974, so rounding to uint16" in played.refusal
    assert "leaves 2 grey levels: set output.scale, e.g. to 10000" in played.refusal


def normalise(path: Path) -> None:
    volume = tifffile.imread(path).astype(np.float32)
    tifffile.imwrite(path, (volume - 90) / volume.max(), photometric="minisblack", metadata={"axes": "ZYX"})


@pytest.mark.workflow
def test_whole_numbers_of_fractions_are_refused_before_the_work(tmp_path: Path) -> None:
    small = Project(tmp_path)
    small.simulate(timepoints=1, channels=1)
    normalise(small.tiffs()[0])
    small.configure_one_channel(deconvolution={"background": "auto"}, output={"dtype": "uint16"})
    output = small.fail()
    largest = float(tifffile.imread(small.tiffs()[0]).max())
    assert "config key output.scale" in output
    assert f"the largest value of CamA_ch0_488nm is {largest:.4g}, so rounding to uint16 with a scale of 1" in output
    assert "leaves 2 grey levels: set output.scale, e.g. to 10000 or auto, or output.dtype to float32" in output
    assert not (small.results / "records" / "raw").exists(), "nothing was ingested"
    assert "leaves 2 grey levels" in small.succeed("inventory"), "which is there to look at before"
