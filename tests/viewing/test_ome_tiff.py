"""Read back by tifffile; once, by hand, by Bio-Formats 7.3.1, whose pixels were the same at each level."""

import struct
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
import zarr

from lightsheet.system.errors import InputError
from lightsheet.viewing import export, ome_tiff
from tests.support import published_run
from tests.support.families import parametrize
from tests.support.published_run import CHANNELS, INTERVAL, Run

SHAPE = (6, 300, 530)
OME = "{http://www.openmicroscopy.org/Schemas/OME/2016-06}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Of three levels, the last with half the planes, and odd sizes."""
    run = published_run.make(tmp_path_factory.mktemp("tiff"), SHAPE, timepoints=2)
    assert [level.shape[0] for level in run.layouts["raw"].levels] == [6, 6, 3, 2]
    return run


@pytest.fixture(scope="module")
def files(run: Run) -> dict[str, Path]:
    """The second timepoint."""
    out = run.results.folder.parent / "out"
    return {
        kind: export.export_volumes(run.results.folder, "ome-tiff", out, kind, timepoints="1")[0]
        for kind in run.layouts
    }


def halved(volume: np.ndarray) -> np.ndarray:
    """The mean of 2 x 2 pixels of a plane, those at an odd edge with themselves; integers rounded."""
    padded = np.pad(volume, [(0, 0), *((0, n % 2) for n in volume.shape[1:])], mode="edge").astype(np.float64)
    mean = (padded[:, 0::2] + padded[:, 1::2]) / 2
    mean = (mean[:, :, 0::2] + mean[:, :, 1::2]) / 2
    return (np.rint(mean) if volume.dtype.kind == "u" else mean).astype(volume.dtype)


@pytest.mark.parametrize("kind", ["raw", "result"])
def test_every_level_holds_the_pixels(run: Run, files: dict[str, Path], kind: str) -> None:
    """The store's own as long as it has all planes."""
    with tifffile.TiffFile(files[kind]) as tiff:
        (series,) = tiff.series
        assert (series.axes, series.dtype) == ("CZYX", published_run.DTYPES[kind])
        assert [level.shape[1:] for level in series.levels] == [SHAPE, (6, 150, 265), (6, 75, 133)]
        for c in range(2):
            expected = run.volumes[kind, 1, c]
            for level in series.levels:
                np.testing.assert_array_equal(level.asarray()[c], expected)
                expected = halved(expected)


def test_pages_are_compressed_tiles(files: dict[str, Path]) -> None:
    with tifffile.TiffFile(files["raw"]) as tiff:
        assert tiff.is_ome
        assert not tiff.is_bigtiff
        assert len(tiff.pages) == 12, "the pyramid is in SubIFDs, where readers of plain TIFF do not stumble on it"
        for level in tiff.series[0].levels:
            page = level.keyframe
            assert (page.tile, page.compression, page.predictor) == ((256, 256), 8, 1)
            assert bool(page.is_reduced) == (level is not tiff.series[0].levels[0])


@pytest.mark.parametrize("kind", ["raw", "result"])
def test_the_ome_xml_says_size_time_names_and_colours(files: dict[str, Path], kind: str) -> None:
    with tifffile.TiffFile(files[kind]) as tiff:
        root = ElementTree.fromstring(tiff.ome_metadata)
        page = tiff.pages[0]
    (image,) = root.iter(f"{OME}Image")
    (pixels,) = root.iter(f"{OME}Pixels")
    attributes = pixels.attrib
    assert image.attrib["Name"] == files[kind].name.removesuffix(".ome.tif")
    assert [float(attributes[f"PhysicalSize{axis}"]) for axis in "ZYX"] == [0.3, 0.104, 0.104]
    assert {attributes[f"PhysicalSize{axis}Unit"] for axis in "ZYX"} == {"µm"}
    assert (float(attributes["TimeIncrement"]), attributes["TimeIncrementUnit"]) == (INTERVAL, "s")
    assert [attributes[f"Size{axis}"] for axis in "XYZCT"] == ["530", "300", "6", "2", "1"]
    assert attributes["Type"] == {"raw": "uint16", "result": "float"}[kind]
    channels = [channel.attrib for channel in root.iter(f"{OME}Channel")]
    assert [channel["Name"] for channel in channels] == list(CHANNELS)
    colours = [struct.pack(">i", int(channel["Color"])).hex() for channel in channels]
    assert colours == ["00ff40ff", "ffc000ff"], "red, green, blue, opaque"
    planes = [plane.attrib for plane in root.iter(f"{OME}Plane")]
    assert len(planes) == 12
    assert {(float(plane["DeltaT"]), plane["DeltaTUnit"]) for plane in planes} == {(INTERVAL, "s")}
    per_centimetre = page.tags["XResolution"].value
    assert per_centimetre[0] / per_centimetre[1] == pytest.approx(1e4 / 0.104)


def test_it_is_a_big_tiff_where_offsets_need_it(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ome_tiff, "CLASSIC_BYTES", 2 * 6 * 300 * 530 * 4)
    (path,) = export.export_volumes(run.results.folder, "ome-tiff", tmp_path, timepoints="0")
    with tifffile.TiffFile(path) as tiff:
        assert tiff.is_bigtiff
        np.testing.assert_array_equal(tiff.asarray()[1], run.volumes["result", 0, 1])


def test_what_is_not_known_is_not_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.published_run.INTERVAL", None)
    unknown = published_run.make(tmp_path, (3, 8, 8))
    (path,) = export.export_volumes(unknown.results.folder, "ome-tiff", tmp_path)
    with tifffile.TiffFile(path) as tiff:
        assert "TimeIncrement" not in tiff.ome_metadata
        assert "DeltaT" not in tiff.ome_metadata


@parametrize("dtype", ["float16", "int8", "float64", "int16", "int32", "uint8", "uint32"])
def test_types_are_kept_or_widened(tmp_path: Path, dtype: str, caplog: pytest.LogCaptureFixture) -> None:
    run = published_run.make(tmp_path, (2, 20, 300), dtypes={"raw": dtype, "result": "uint16"})
    with caplog.at_level("INFO", "lightsheet"):
        (path,) = export.export_volumes(run.results.folder, "ome-tiff", tmp_path / "out", "raw")
    with tifffile.TiffFile(path) as tiff:
        image = tiff.series[0].asarray()
    assert image.dtype == ("float32" if dtype == "float16" else dtype)
    assert ("OME-TIFF has no float16: its values are written as float32" in caplog.text) == (dtype == "float16")
    np.testing.assert_array_equal(image, np.stack([run.volumes["raw", 0, c] for c in range(2)]))


@parametrize("dtype", ["int64", "uint64"])
def test_types_that_ome_does_not_have(tmp_path: Path, dtype: str) -> None:
    run = published_run.make(tmp_path, (2, 3, 4), dtypes={"raw": dtype, "result": "uint16"})
    out = tmp_path / "out"
    with pytest.raises(InputError, match=f"OME-TIFF has no {dtype}; choose --format ome-zarr-0.4, which has"):
        export.export_volumes(run.results.folder, "ome-tiff", out, "raw")
    assert not out.exists()
    (path,) = export.export_volumes(run.results.folder, "ome-zarr-0.4", out, "raw")
    array = zarr.open_array(path / "0", mode="r")
    assert array.dtype == dtype
    np.testing.assert_array_equal(array[0, 1], run.volumes["raw", 0, 1])
