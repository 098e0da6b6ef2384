"""Settings files of lattice light-sheet microscopes, against the distances between planes that they give."""

import math
from pathlib import Path

import pytest

from lightsheet.sources.lattice_settings import read_lattice_settings
from tests.support.reference_data import DATA

SETTINGS = DATA / "llsm_settings"
needs_settings = pytest.mark.skipif(not SETTINGS.is_dir(), reason="the real settings files are not here")


@needs_settings
@pytest.mark.parametrize(("name", "step", "lasers"), [("sample", 0.4, (488, 642)), ("example", 0.3, (488, 560))])
def test_settings_of_real_microscopes_are_read(tmp_path: Path, name: str, step: float, lasers: tuple[int, ...]) -> None:
    text = (SETTINGS / f"{name}_Settings.txt").read_text(errors="replace")
    (tmp_path / "cell_Settings.txt").write_text(text)
    settings = read_lattice_settings(tmp_path)
    assert settings is not None
    angle = 31.0 if name == "sample" else float(text.split("bessel beam (deg) = ")[1].split()[0])
    assert settings.z_choices == pytest.approx((step, step * math.sin(math.radians(angle))))
    assert (settings.wavelengths, settings.source) == (lasers, "cell_Settings.txt")


def _settings(path: Path, motion: str) -> None:
    steps = (("X Galvo", 0.1), ("Z Galvo", 0.25), ("Z PZT", 0.26), ("S PZT", 0.4))
    lines = [
        f"{part} Offset, Interval (um), # of Pixels for Excitation (0) :\t-1\t{step}\t61\n" for part, step in steps
    ]
    angle = "Angle between stage and bessel beam (deg) = 30.0\n"
    path.write_text("".join([*lines, f"\nZ motion :\t{motion}\n\n[Sample stage]\n", angle]))


@pytest.mark.parametrize(
    ("motion", "choices"),
    [
        ("Sample piezo", (0.4, 0.2)),
        ("Z galvo & piezo", (0.26,)),
        ("Z piezo", (0.26,)),
        ("Z galvo", (0.25,)),
    ],
)
def test_motion_tells_the_step(tmp_path: Path, motion: str, choices: tuple[float, ...]) -> None:
    _settings(tmp_path / "a_Settings.txt", motion)
    settings = read_lattice_settings(tmp_path)
    assert settings is not None
    assert settings.z_choices == pytest.approx(choices)
    assert settings.stage == ({"step": 0.4, "angle": 30.0} if motion == "Sample piezo" else {})


@pytest.mark.parametrize(
    ("part", "step", "stage"), [("X Stage", "-0.5", {"step": 0.5, "angle": 30.0}), ("XZ stage", "0.2", {})]
)
def test_a_mosaic_names_its_stage(tmp_path: Path, part: str, step: str, stage: dict[str, float]) -> None:
    """As Janelia's Advanced Imaging Center describes its settings: X Stage at an angle, XZ stage straight."""
    path = tmp_path / "a_Settings.txt"
    _settings(path, "X Stage")
    line = f"{part} Offset, Interval (um), # of Pixels for Excitation (0) :\t5\t{step}\t501\n"
    path.write_text(line + path.read_text().replace("= 30.0", "= -30.0"), encoding="latin-1")
    settings = read_lattice_settings(tmp_path)
    assert settings is not None
    assert settings.stage == stage
    assert settings.z_choices == pytest.approx((0.5, 0.25) if stage else (0.2,))


def test_settings_that_are_absent_or_disagree(tmp_path: Path) -> None:
    assert read_lattice_settings(tmp_path) is None
    _settings(tmp_path / "a_Settings.txt", "Z galvo")
    _settings(tmp_path / "b_Settings.txt", "Z galvo")
    assert read_lattice_settings(tmp_path) is not None
    _settings(tmp_path / "b_Settings.txt", "Z piezo")
    assert read_lattice_settings(tmp_path) is None
