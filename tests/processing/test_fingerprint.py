"""What decides a volume, and what does not."""

from typing import Any

import pytest

from lightsheet.processing.fingerprint import list_raw_inputs, list_result_inputs
from lightsheet.store.volumes import StoreLayout
from lightsheet.system import digest_json

VOXEL = {"z": 0.3, "y": 0.1, "x": 0.1}
LAYOUTS = {
    codec: StoreLayout.plan((6, 20, 18), VOXEL, "float32", {"name": codec, "configuration": {}})
    for codec in ("blosc", "gzip")
}
TILES = [((0, 0, 0), [("a.tif", None)])]
SOURCES = [{"path": "a.tif", "bytes": 5, "mtime_ns": 1, "blake3": "a"}]
SETTINGS: dict[str, Any] = {"engine": "cpu", "iterations": 2, "boundary": "extended", "background": 100}


def raw(sources: Any = SOURCES, codec: str = "blosc") -> dict[str, Any]:
    return list_raw_inputs(TILES, sources, LAYOUTS[codec])


def fingerprint(raw_inputs: Any = None, psf: str = "p", codec: str = "blosc", **changes: Any) -> str:
    return digest_json(list_result_inputs(raw_inputs or raw(), psf, {**SETTINGS, **changes}, LAYOUTS[codec]))


@pytest.mark.parametrize("change", [{"iterations": 3}, {"boundary": "replicate"}, {"background": 9}, {"engine": "gpu"}])
def test_what_changes_pixels_changes_the_fingerprint(change: dict[str, Any]) -> None:
    assert fingerprint() != fingerprint(**change)
    assert fingerprint() != fingerprint(psf="q")
    assert fingerprint() != fingerprint(raw([{**SOURCES[0], "blake3": "b"}]))
    assert fingerprint() != fingerprint(list_raw_inputs([], [], LAYOUTS["blosc"])), "the volume is missing"
    assert fingerprint() != fingerprint(codec="gzip"), "of the result, which would be stored in two ways"


def test_what_changes_no_pixel_does_not() -> None:
    assert fingerprint() == fingerprint(raw([{**SOURCES[0], "mtime_ns": 2, "path": "elsewhere/a.tif"}]))
    assert fingerprint() == fingerprint(raw(codec="gzip")), "how raw shards are encoded"
    assert fingerprint() == fingerprint(**dict(reversed(SETTINGS.items())))


def test_versions_of_libraries_redo_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint()
    monkeypatch.setattr("numpy.__version__", "99")
    assert fingerprint() == before


def test_another_version_of_the_algorithm_redoes_all(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint()
    monkeypatch.setattr("lightsheet.processing.fingerprint.ALGORITHM_VERSION", 99)
    assert fingerprint() != before
