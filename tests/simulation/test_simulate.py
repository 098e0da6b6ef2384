import errno
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

from lightsheet.cli import main
from lightsheet.simulation import simulate as sim
from lightsheet.simulation.optics import blur_photons, model_image_psf
from lightsheet.simulation.scene import CHANNELS, draw_scene
from lightsheet.system.errors import DiskError, InputError

SHAPE = (12, 40, 36)
SMALL = ["--shape", "4", "12", "10", "--psf-shape", "21", "16", "16", "--timepoints", "1", "--channels", "1"]
REFERENCE_NAME = re.compile(
    r"demo_CamA_ch(\d)_CAM1_stack(\d{4})_(\d{3})nm_(\d{7})msec_(\d{10})msecAbs_000x_000y_000z_0000t\.tif"
)


def run_series(folder: Path, **options) -> list[str]:
    lines: list[str] = []
    sim.simulate_acquisition(
        folder, channels=2, timepoints=2, shape=SHAPE, psf_shape=(61, 24, 24), progress=lines.append, **options
    )
    return lines


@pytest.fixture(scope="module")
def series(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("series")
    run_series(folder)
    return folder


@pytest.fixture(scope="module")
def scene() -> SimpleNamespace:
    """One channel, with what lies around the field."""
    shape = (6, 150, 40)
    psf = model_image_psf(CHANNELS[0], sim.VOXEL_SIZE)
    canvas = draw_scene(0, 0, shape, psf, sim.VOXEL_SIZE, 300.0, 3)
    truth, _ = sim.simulate_volume(0, 0, shape, seed=3)
    return SimpleNamespace(psf=psf, canvas=canvas, truth=truth)


def test_files_are_named_as_the_reference_acquisition(series):
    names = sorted(path.name for path in series.iterdir() if path.is_file())
    fields = [tuple(map(int, REFERENCE_NAME.fullmatch(name).groups())) for name in names]
    assert fields == [
        (0, 0, 488, 0, 1291795),
        (0, 1, 488, 43748, 1335543),
        (1, 0, 560, 0, 1291795),
        (1, 1, 560, 43748, 1335543),
    ]
    assert sorted(path.name for path in (series / "psf").iterdir()) == ["488.tif", "560.tif"]
    assert sorted(path.name for path in (series / "truth").iterdir()) == [
        f"CamA_{channel}_t000{t}.tif" for channel in ("ch0_488nm", "ch1_560nm") for t in (0, 1)
    ]


def test_files_hold_what_is_promised(series):
    for path in series.glob("*.tif"):
        image = tifffile.imread(path)
        assert (image.shape, image.dtype) == (SHAPE, np.uint16)
    for path in series.glob("psf/*.tif"):
        psf = tifffile.imread(path)
        assert (psf.shape, psf.dtype) == ((61, 24, 24), np.uint16)
    for path in series.glob("truth/*.tif"):
        truth = tifffile.imread(path)
        assert (truth.shape, truth.dtype) == (SHAPE, np.float32)
        assert truth.min() >= 0
        assert truth.max() > 0
    written = sum(tifffile.imread(path).nbytes for path in series.rglob("*.tif"))
    assert written == sim.count_bytes(2, 2, SHAPE, (61, 24, 24))


def test_same_seed_gives_the_same_bytes_and_another_seed_another_scene(series, tmp_path):
    lines = run_series(tmp_path)
    assert [line.split()[0] for line in lines] == ["1/4", "2/4", "3/4", "4/4"]
    for path in series.rglob("*.tif"):
        assert path.read_bytes() == (tmp_path / path.relative_to(series)).read_bytes()
    run_series(tmp_path, seed=1)
    for path in series.rglob("*.tif"):
        assert path.read_bytes() != (tmp_path / path.relative_to(series)).read_bytes()


def test_a_volume_made_alone_equals_that_of_a_series(series):
    truth, image = sim.simulate_volume(1, 1, SHAPE)
    np.testing.assert_array_equal(image, tifffile.imread(series / sim.name_volume("demo", 1, 1)))
    np.testing.assert_array_equal(truth, tifffile.imread(series / "truth" / sim.name_truth(1, 1)))


def test_truth_is_the_scene_within_the_field(scene):
    z, y, x = (n // 2 for n in scene.psf.shape)
    np.testing.assert_array_equal(scene.truth, scene.canvas[z:-z, y:-y, x:-x])


def test_light_leaks_in_from_beyond_the_field(scene):
    alone = np.zeros_like(scene.canvas)
    z, y, x = (n // 2 for n in scene.psf.shape)
    alone[z:-z, y:-y, x:-x] = scene.truth
    leak = blur_photons(scene.canvas, scene.psf) - blur_photons(alone, scene.psf)
    assert leak[0].mean() > 1  # a plane at the edge of a cell: photons that the truth does not hold
    assert leak.min() > -2e-3


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_volumes(tmp_path):
    """Peak resident memory of a process: two volumes need what one needs."""
    code = """
import resource, sys
from lightsheet.simulation import simulate as sim
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
sim.simulate_volume(0, 0, (4, 12, 12))
peaks = [peak()]
options = dict(channels=1, shape=(30, 200, 200), progress=lambda line: peaks.append(peak()))
sim.simulate_acquisition(sys.argv[1], timepoints=2, **options)
print(*peaks)
"""
    scripts = Path(sim.__file__).parents[2]
    out = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={"PYTHONPATH": str(scripts)},
        capture_output=True,
        text=True,
        check=True,
    )
    before, first, *_, last = map(int, out.stdout.split())
    canvas = 48 * 232 * 232  # voxels, the margins included
    assert first - before < 40 * canvas  # bytes: the canvas, the blurred copy, and a slab's FFTs
    assert last - first < 4 * canvas


def test_command_line_makes_an_acquisition(tmp_path, capsys):
    assert main(["simulate", str(tmp_path / "new" / "folder"), "--name", "ex6-2", "--seed", "4", *SMALL]) == 0
    (path,) = (tmp_path / "new" / "folder").glob("*.tif")
    assert path.name.startswith("ex6-2_CamA_ch0_CAM1_stack0000_488nm_")
    assert tifffile.imread(path).shape == (4, 12, 10)
    assert path.name in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message_start"),
    [
        (["--channels", "4"], "channels: 4"),
        (["--channels", "0"], "channels: 0"),
        (["--timepoints", "0"], "timepoints: 0"),
        (["--shape", "10", "0", "10"], "shape: (10, 0, 10)"),
        (["--psf-shape", "4", "32", "32"], "psf_shape: (4, 32, 32)"),
        (["--peak-photons", "nan"], "peak_photons: nan"),
        (["--peak-photons", "-1"], "peak_photons: -1"),
        (["--seed", "-1"], "seed: -1"),
        (["--name", "a/b"], "name: 'a/b'"),
        (["--timepoints", "9999", "--shape", "9999", "9999", "9999"], "GB are needed"),
    ],
)
def test_command_line_refuses_nonsense_with_a_sentence(tmp_path, capsys, arguments, message_start):
    folder = tmp_path / "new"
    assert main(["simulate", str(folder), *arguments]) == 2
    message = capsys.readouterr().err
    assert message_start in message
    assert message.count("\n") == 1
    assert not folder.exists()


@pytest.mark.parametrize("arguments", [[], ["folder", "--shape", "3", "4"], ["folder", "--channels", "two"]])
def test_command_line_refuses_what_it_cannot_read(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["simulate", *arguments])
    assert stop.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_help_says_how_to_make_the_demo_and_the_reference_acquisition(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["simulate", "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for part in ("data/demo", "--shape 201 1024 768", "566 GB", "default: 300"):
        assert part in text


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="file/inner: cannot be written"):
        sim.simulate_acquisition(tmp_path / "file" / "inner", shape=SHAPE)


def test_voxel_size_needs_its_three_axes(tmp_path):
    with pytest.raises(InputError, match="voxel_size"):
        sim.simulate_acquisition(tmp_path, voxel_size={"z": 0.3, "y": 0.1})


def test_a_stack_that_cannot_be_flushed_does_not_appear(tmp_path, monkeypatch):
    def refuse(_handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(DiskError, match="input/output error"):
        run_series(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_too_small_a_disk_is_noticed_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    with pytest.raises(InputError, match=r"0\.0 GB are free"):
        sim.simulate_acquisition(tmp_path / "new")
    assert not (tmp_path / "new").exists()
