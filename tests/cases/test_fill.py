"""Stacks that a program deskewed before, whose corners hold a value that no camera measured."""

from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from lightsheet.processing import describe_choice, read_choices
from lightsheet.run import choose_due, find_backlog, refuse_hopeless_channels
from lightsheet.run.prepare import prepare_run
from lightsheet.run.run import Run
from lightsheet.store import VolumeKey, read_record
from lightsheet.system import InputError
from tests.support.cases import play
from tests.support.families import parametrize
from tests.support.tiny_run import finish

Captured = pytest.CaptureFixture[str]

STACK = (16, 48, 64)
SIZES = {"z": 0.3, "y": 0.1, "x": 0.1}
WIDTHS = (1.5, 1.3, 1.3)


def deskew(stack: np.ndarray, value: int = 0) -> np.ndarray:
    depth, height, width = stack.shape
    result = np.full((depth, height, width + 2 * depth), value, stack.dtype)
    for z, plane in enumerate(stack):
        result[z, :, 2 * z : 2 * z + width] = plane
    return result


def write_movie(folder: Path, value: int = 0) -> None:
    """Write two timepoints, deskewed, and a PSF, which needs that not."""
    (folder / "data").mkdir()
    random = np.random.default_rng(2)
    for t in range(2):
        light = np.zeros(STACK)
        light[tuple(random.integers(n, size=30) for n in STACK)] = 20_000
        image = random.poisson(ndimage.gaussian_filter(light, WIDTHS)) + random.normal(100, 2, STACK)
        tifffile.imwrite(folder / f"data/GFP_{t}.tif", deskew(np.rint(image).astype(np.uint16), value))
    point = np.zeros((17, 17, 17))
    point[8, 8, 8] = 50_000
    bead = ndimage.gaussian_filter(point, WIDTHS) + random.normal(100, 2, point.shape)
    tifffile.imwrite(folder / "psf.tif", np.rint(bead).astype(np.uint16))


def prepare(folder: Path, fill: Any = "auto", **method: Any) -> Run:
    config = {
        "name": "skewed",
        "input": {"folder": str(folder / "data"), "pattern": "plain", "fill": fill},
        "voxel_size": SIZES,
        "psf": {"files": {"GFP": str(folder / "psf.tif")}, "voxel_size": SIZES},
        "deconvolution": {"engine": "cpu", "iterations": 5, **method},
        "output": {"folder": str(folder / "results")},
    }
    return prepare_run(config)


def test_06_corners_filled_with_0_are_as_if_filled_with_the_offset(tmp_path: Path, capsys: Captured) -> None:
    """They differ in the PSFs, whose corners were filled too: its backgrounds by 0.03 counts."""
    played = play(6, tmp_path, capsys, then=finish)
    (line,) = (line for line in played.output.splitlines() if line.startswith("relative L2 inside"))
    assert float(line.split()[-1]) < 0.01
    assert played.run
    with chdir(played.folder):
        assert read_choices(played.run.results)["GFP"]["fill"]["values"] in ([0], [100])


@pytest.mark.slow
def test_a_deskewed_movie_is_deconvolved_where_it_was_measured(tmp_path: Path) -> None:
    write_movie(tmp_path)
    run = prepare(tmp_path)
    finish(run)
    choice = read_choices(run.results)["GFP"]
    assert choice["background"]["value"] == pytest.approx(100, abs=1)
    assert "33 % of the voxels are exactly 0 and touch the border: taken as never measured" in str(
        describe_choice("GFP", choice)
    )
    inside = deskew(np.ones(STACK, np.uint8)) > 0
    for t in range(2):
        record = read_record(run.results, VolumeKey("result", "GFP", t))
        assert record
        assert record["settings"]["fill"] == {"values": [0], "rim": 0}
        statistics = record["statistics"]
        assert statistics["unmeasured_voxels"] == np.count_nonzero(~inside)
        # Some points beside the faces are placed beyond them, as at the borders of any volume.
        assert statistics["sum"] / statistics["flux_before"] == pytest.approx(1, abs=0.05)
        assert statistics["negative_voxels"] < 0.6 * inside.sum(), "fill does not count"
    assert not find_backlog(prepare(tmp_path)).volumes, "the same again does nothing"


@parametrize("method", [{"boundary": "replicate"}, {"engine": "itk", "boundary": "replicate"}])
def test_what_takes_fill_for_darkness_is_refused_before_any_work(tmp_path: Path, method: dict[str, str]) -> None:
    write_movie(tmp_path)
    run = prepare(tmp_path, **method)
    choose_due(run)
    with pytest.raises(InputError, match=r"GFP: 33 % of the voxels are exactly 0 .* choose boundary") as error:
        refuse_hopeless_channels(run)
    assert "input.fill: none" in str(error.value)
    run = prepare(tmp_path, fill="none", **method)
    choose_due(run)
    refuse_hopeless_channels(run)


@pytest.mark.parametrize(("fill", "values"), [("none", None), (0, [0]), (100, [100]), ("auto", [0])])
def test_the_configuration_says_what_fill_is(tmp_path: Path, fill: Any, values: list[int] | None) -> None:
    write_movie(tmp_path)
    run = prepare(tmp_path, fill=fill)
    choose_due(run)
    chosen = read_choices(run.results)["GFP"]["fill"]
    assert (chosen and chosen["values"]) == values
