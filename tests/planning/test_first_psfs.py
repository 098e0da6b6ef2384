"""Which PSFs `lightsheet init` finds, and for which channels."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml

from lightsheet.planning.first_config import make_first_config
from lightsheet.planning.first_look import look_at
from lightsheet.run import list_open_keys
from tests.support.first_config import SHAPE, use, write
from tests.support.microscope_names import LATTICE_ROWS

pytestmark = pytest.mark.usefixtures("folder")


def test_beads_alone_are_images(folder: Path) -> None:
    write(folder / "bead_t0.tif")
    write(folder / "bead_t1.tif")
    (folder / "notes").mkdir()
    assert look_at(folder).names == ("bead_t0.tif", "bead_t1.tif")


def test_psfs_beside_the_images_are_those_that_were_meant(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder / "e_t0.tif")
    write(folder / "psf" / "bead.tif", 5)
    run = use(make_first_config(folder))
    write(Path("psf") / "bead.tif", 5)  # of something else, where the command runs
    assert run.find_psf_file("ch0") == "images/psf/bead.tif"
    (folder / "psf" / "bead.tif").rename("psf/bead.tif")
    monkeypatch.chdir(folder)
    assert use(make_first_config(Path())).find_psf_file("ch0") == "../psf/bead.tif"


def test_a_channel_called_by_a_number_has_the_psf_of_that_number(folder: Path) -> None:
    for name in [f"embryo_ch{nm}_t00{t}.tif" for nm in (488, 561) for t in range(2)]:
        write(folder / name)
    for nm in (488, 561):
        write(folder.parent / f"PSF_{nm}.tif", 5)
    run = use(make_first_config(folder))
    files = [(channel, Path(run.find_psf_file(channel)).name) for channel in run.channels]
    assert files == [("ch488", "PSF_488.tif"), ("ch561", "PSF_561.tif")]


def test_voxels_of_beads_are_to_be_said_though_no_channel_tells_which_is_its(folder: Path) -> None:
    for name in [f"img_channel00{c}_position000_time000000000_z00{z}.tif" for z in range(2) for c in range(2)]:
        write(folder / name, 1)
    for nm in (488, 561):
        path = folder.parent / "beads" / f"bead_{nm}.tif"
        path.parent.mkdir(exist_ok=True)
        tifffile.imwrite(path, np.zeros(SHAPE, np.uint16), photometric="minisblack")
    first = make_first_config(folder)
    keys = {*list_open_keys(yaml.safe_load(first.text))}
    assert keys == {"psf.files.ch0", "psf.files.ch1", *(f"psf.voxel_size.{axis}" for axis in "zyx")}
    assert "no name of bead_488.tif, bead_561.tif in beads tells" in " ".join(first.open_keys)
    assert first.text.count("# Not known: no name of bead_488.tif") == 1, "one comment is of both channels"


def test_several_candidates_are_no_guess(folder: Path) -> None:
    write(folder / "488nm_t0.tif")
    write(folder / "488nm_t1.tif")
    for name in ("488_a.tif", "488_b.tif"):
        write(folder / "psf" / name, 5)
    first = make_first_config(folder)
    assert "488_a.tif, 488_b.tif have 488 in their names: which is it?" in " ".join(first.open_keys)


def test_a_psf_that_would_be_refused_is_to_be_said(folder: Path) -> None:
    write(folder / "e_t0.tif")
    write(folder / "psf" / "bead.tif", 1)
    first = make_first_config(folder)
    assert {*list_open_keys(yaml.safe_load(first.text))} == {"psf.files.ch0"}
    assert "psf.files.ch0: A run would be refused: " in first.open_keys[0]
    assert "this PSF is a single plane" in first.open_keys[0]


def test_a_bead_of_another_wavelength_or_the_image_itself_is_no_guess(folder: Path) -> None:
    write(folder / "mbPSF_560_NAp5nap42_z100nm.tif", 5)
    write(Path("psf") / "488_560nm-filter.tif", 5)
    write(Path("psf") / "560.tif", 5)
    assert "which is it?" in make_first_config(folder).open_keys[0]
    Path("psf/560.tif").unlink()
    Path("psf/488_560nm-filter.tif").rename("psf/488.tif")
    first = make_first_config(folder)
    assert {*list_open_keys(yaml.safe_load(first.text))} == {"psf.files.560nm"}
    write(Path("psf") / "560.tif", 5)
    assert use(make_first_config(folder)).find_psf_file("560nm") == "psf/560.tif"


def test_beads_beside_images_in_an_inner_folder(folder: Path) -> None:
    write(folder / "exp" / "raw" / "e_t0.tif")
    write(folder / "exp" / "psf" / "bead.tif", 5)
    assert use(make_first_config(folder)).find_psf_file("ch0") == "images/exp/psf/bead.tif"


def test_one_bead_for_channels_of_several_wavelengths_is_no_guess(folder: Path) -> None:
    for name in LATTICE_ROWS[0].name, LATTICE_ROWS[0].name.replace("ch1", "ch0").replace("560nm", "488nm"):
        write(folder / name)
    write(folder / "psf" / "CamA.tif", 5)
    write(folder / "psf" / "other.tif", 5)
    first = make_first_config(folder)
    assert "psf.files.CamA_ch0_488nm, psf.files.CamA_ch1_560nm: Not known: CamA.tif could be of" in first.open_keys[0]
