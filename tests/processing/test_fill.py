"""Fill in a channel's volumes: what is told of it, and what of a volume does not count."""

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from lightsheet.processing.camera import describe_counts
from lightsheet.processing.deconvolve import deconvolve_pixels
from lightsheet.processing.fill import choose_fill, describe_fill_choice, find_mask, refuse_fill, resolve_fill
from lightsheet.processing.memory import estimate_memory
from lightsheet.system import InputError
from tests.support.assessment import assess_result
from tests.support.families import parametrize

SHAPE = (16, 64, 96)
Z, Y, X = np.indices(SHAPE)
INSIDE = (X >= 2 * Z) & (X < 2 * Z + 66)
FILL = {"values": [0], "rim": 0}
SETTINGS: dict[str, Any] = {
    **{"engine": "cpu", "iterations": 5, "boundary": "extended", "acceleration": "none"},
    **{"background": 100, "dtype": "float32", "scale": 1},
}


def point() -> np.ndarray:
    psf = np.zeros((9, 9, 9))
    psf[4, 4, 4] = 1
    return ndimage.gaussian_filter(psf, 1.3).astype(np.float32)


def expose(seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    light = np.zeros(SHAPE)
    light[tuple(random.integers(n, size=60) for n in SHAPE)] = 20_000
    image: np.ndarray = random.poisson(ndimage.gaussian_filter(light, 1.3)) + random.normal(100, 2, SHAPE)
    return np.rint(image).astype(np.uint16)


WHOLE = expose()
CUT = np.where(INSIDE, WHOLE, 0)


@parametrize("acceleration", ["none", "heavy-ball"])
def test_blocks_make_what_the_whole_volume_is(acceleration: str) -> None:
    """The second block is fill, mostly; one is measured whole."""
    settings = {**SETTINGS, "acceleration": acceleration, "fill": FILL}
    whole, _ = deconvolve_pixels(CUT, point(), settings, 1)
    blocks, statistics = deconvolve_pixels(CUT, point(), settings, 1, (16, 32, 32))
    assert statistics["blocks"] == 6
    assert np.linalg.norm(blocks - whole) / np.linalg.norm(whole) < 1e-3
    assert not blocks[~INSIDE].any()


def test_a_volume_of_nothing_but_fill_is_dark() -> None:
    for iterations in (3, "auto"):
        settings = {**SETTINGS, "iterations": iterations, "fill": FILL}
        result, statistics = deconvolve_pixels(np.zeros(SHAPE, np.uint16), point(), settings, 1)
        assert not result.any()
        assert statistics["unmeasured_voxels"] == Z.size
        assert statistics["flux_before"] == statistics["negative_voxels"] == 0


def test_a_volume_that_was_measured_whole_is_as_without_fill() -> None:
    plain, expected = deconvolve_pixels(WHOLE, point(), SETTINGS, 1)
    result, statistics = deconvolve_pixels(WHOLE, point(), {**SETTINGS, "fill": FILL}, 1)
    assert np.array_equal(result, plain)
    assert statistics == expected


@parametrize("value", [0, 100, 65535])
def test_fill_does_not_count(value: int) -> None:
    raw = np.where(INSIDE, WHOLE, value).astype(np.uint16)
    mask = find_mask(raw, {"fill": {"values": [value], "rim": 0}})
    assert mask
    counts = describe_counts(raw, 100, mask)
    image = WHOLE.astype(float) - 100
    # Where fill is the offset, some voxels beside it are so by chance.
    assert counts["unmeasured_voxels"] == pytest.approx(np.count_nonzero(~INSIDE), rel=0.05)
    assert counts["negative_voxels"] == np.count_nonzero(image[INSIDE] < 0)
    assert counts["flux_before"] == pytest.approx(image[INSIDE].clip(0).sum(), rel=1e-6)
    assert counts["saturated_voxels"] == 0
    result, _ = deconvolve_pixels(raw, point(), {**SETTINGS, "fill": {"values": [value], "rim": 0}}, 1)
    expected, _ = deconvolve_pixels(CUT, point(), {**SETTINGS, "fill": FILL}, 1)
    assert np.linalg.norm(result - expected) / np.linalg.norm(expected) < 0.01


def test_the_residual_is_that_of_what_was_measured() -> None:
    """Of the truth blurred again, noise is left; fill of 65535 would be all that is looked at."""
    raw = np.where(INSIDE, WHOLE, 65535).astype(np.uint16)
    mask = find_mask(raw, {"fill": {"values": [65535], "rim": 0}})
    result, _ = deconvolve_pixels(WHOLE, point(), {**SETTINGS, "iterations": 20}, 1)
    residual = assess_result(raw, result, point(), 100, mask=mask)["residual"]
    assert residual == pytest.approx(assess_result(WHOLE, result, point(), 100)["residual"], rel=0.2)


@pytest.mark.parametrize("engine", ["cpu", "cpu-sweeps"])
def test_fill_takes_4_bytes_a_padded_voxel(engine: str) -> None:
    shape, psf = (200, 1000, 700), (40, 80, 80)
    more = estimate_memory(shape, psf, engine, "none", has_fill=True) - estimate_memory(shape, psf, engine, "none")
    assert more == pytest.approx(4 * 240 * 1080 * 800, rel=0.01)


def test_fill_and_darkness_are_described_and_resolved() -> None:
    choice = choose_fill({0: CUT, 4: np.where(INSIDE, expose(4), 0)}, "auto")
    assert choice
    share = 100 * (1 - INSIDE.mean())
    assert describe_fill_choice(choice) == [
        f"{share:.0f} % of the voxels are exactly 0 and touch the border: taken as never measured (input.fill)"
    ]
    assert resolve_fill("auto", choice) == {"fill": FILL}
    dark = choose_fill({0: np.maximum(WHOLE, 110) - 110}, "auto")
    assert dark
    assert "taken for darkness, which was cut off there" in describe_fill_choice(dark)[0]
    assert "say input.fill: 0" in describe_fill_choice(dark)[0]
    assert resolve_fill("auto", dark) == resolve_fill("none", None) == resolve_fill("auto", None) == {}
    assert choose_fill({0: CUT}, "none") is None
    assert describe_fill_choice(None) == []


def test_what_the_user_says_holds_whatever_the_sample_shows() -> None:
    assert resolve_fill(7, choose_fill({0: WHOLE}, 7)) == resolve_fill(7, None) == {"fill": {"values": [7], "rim": 0}}


def test_methods_that_take_fill_for_darkness_are_refused() -> None:
    choice = choose_fill({0: CUT}, "auto")
    for boundary, engine in (("replicate", "cpu"), ("replicate", "itk"), ("replicate", "skimage")):
        with pytest.raises(InputError, match=r"CamA: .* % of the voxels are exactly 0"):
            refuse_fill("CamA", choice, boundary, engine)
    refuse_fill("CamA", choice, "extended", "gpu")
    refuse_fill("CamA", choose_fill({0: WHOLE}, "auto"), "replicate", "itk")
