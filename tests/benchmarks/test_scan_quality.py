"""`benchmarks/scan_quality.py`, small: what stage scans promise."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def quality(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import scan_quality

    monkeypatch.setattr(scan_quality, "SHAPE", (20, 24, 48))
    monkeypatch.setattr(scan_quality, "FILAMENTS", 15)
    monkeypatch.setattr(scan_quality, "ITERATIONS", (80,))
    return scan_quality


@pytest.mark.slow
@pytest.mark.parametrize("photons", [30, 300])
def test_raw_planes_with_a_sheared_psf_are_no_worse_than_deskewed_ones(quality, photons):
    errors = quality.compare_geometries(quality.SCAN, 1, photons, quality.RESOLUTIONS[0])
    assert errors["sheared"] < 1.01 * errors["deskewed"]
    assert min(errors["straight"], errors["nothing"]) > 1.5 * errors["sheared"]
    assert quality.measure_voxels(quality.SCAN) < 0.55


@pytest.mark.slow
def test_a_bead_of_any_scan_serves_as_the_analytic_psf_does(quality):
    beads = {name: scan for name, scan in quality.BEADS.items() if scan and scan["step"] < 0.4}
    errors = quality.compare_beads(300, beads, 80)
    analytic = errors.pop("the analytic PSF")[0]
    mistaken = errors.pop("scanned in steps of 0.1 um, resampled as if straight")[0]
    assert len(errors) == len(beads) == 2
    for error, _ in errors.values():
        assert abs(error / analytic - 1) < 0.02
    assert mistaken > 1.2 * analytic
