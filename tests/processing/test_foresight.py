"""What a sample of a channel says of its results."""

from typing import Any

import numpy as np
import pytest

from lightsheet.processing.foresight import describe_pixels, foresee_doubts, refuse_hopeless
from lightsheet.simulation.simulate import simulate_volume
from lightsheet.system.errors import InputError

WHOLE = {"dtype": "uint16", "scale": 1}
FLOAT = {"dtype": "float32", "scale": 1}
_, IMAGE = simulate_volume(0, 0, (8, 64, 64), peak_photons=300)
FRACTIONS = ((IMAGE - 90.0) / IMAGE.max()).astype(np.float32)
DARK = np.rint(100 + np.random.default_rng(1).normal(0, 1.6, IMAGE.shape)).astype(np.uint16)


def choose(*volumes: np.ndarray, background: float | None = 100) -> dict[str, Any]:
    """Return what is known of a channel after its sample was read."""
    image = describe_pixels(dict(enumerate(volumes)), background)
    return {"basis": {"dtype": volumes[0].dtype.name}, "image": image}


@pytest.mark.parametrize("output", [FLOAT, WHOLE])
def test_ordinary_samples_raise_no_doubt(output: dict[str, Any]) -> None:
    for volumes in ([IMAGE], [IMAGE, IMAGE, IMAGE], [IMAGE[:1]], [IMAGE[:2, :4, :4]], [IMAGE.astype(np.float32)]):
        assert foresee_doubts(choose(*volumes), output) == []
        refuse_hopeless("GFP", choose(*volumes), output)
    assert foresee_doubts(choose(DARK, IMAGE), FLOAT) == []
    assert foresee_doubts(choose(FRACTIONS, background=0.02), {"dtype": "uint16", "scale": 10_000}) == []


def test_timepoints_with_the_same_reason_are_told_together() -> None:
    flat = np.full_like(IMAGE, 100)
    assert foresee_doubts(choose(flat, IMAGE, flat), FLOAT) == [
        "every voxel of the image is 100 (2 of 3 sampled timepoints: 0, 2)"
    ]
    (dark,) = foresee_doubts(choose(IMAGE, IMAGE, background=9000), FLOAT)
    assert "no voxel of the image is brighter than the background of 9000 counts" in dark
    assert dark.endswith("(all 2 sampled timepoints: 0 to 1)")
    (saturated,) = foresee_doubts(choose(np.minimum(IMAGE, 150)), FLOAT)
    assert "largest value, 150: saturated" in saturated


def test_whole_numbers_that_lose_or_clip_the_light_are_told() -> None:
    (few,) = foresee_doubts(choose(FRACTIONS, background=0.02), {"dtype": "uint16", "scale": 10})
    assert "grey levels: set output.scale" in few
    hot = 2 * FRACTIONS
    hot[2, 3, 3] = 17
    (doubt,) = foresee_doubts(choose(hot, background=0.04), WHOLE)
    assert "rounding changes the image" in doubt
    (clipped,) = foresee_doubts(choose(IMAGE), {"dtype": "uint16", "scale": 60_000})
    assert "set it lower" in clipped


def test_only_what_is_certainly_worth_nothing_is_refused() -> None:
    with pytest.raises(InputError, match=r"output\.scale: the largest value of GFP is .* leaves 2 grey levels"):
        refuse_hopeless("GFP", choose(FRACTIONS, FRACTIONS / 2, background=0.02), WHOLE)
    refuse_hopeless("GFP", choose(FRACTIONS, background=0.02), FLOAT)
    refuse_hopeless("GFP", choose(FRACTIONS, background=0.02), {"dtype": "uint16", "scale": 10_000})
    refuse_hopeless("GFP", choose(FRACTIONS, 30 * FRACTIONS, background=0.02), WHOLE)
    refuse_hopeless("GFP", choose(0 * FRACTIONS, background=0), WHOLE)
    refuse_hopeless("GFP", choose((DARK > 103).astype(np.uint16), background=0), WHOLE)


def test_a_background_of_another_kind_of_number_is_refused() -> None:
    with pytest.raises(InputError, match=r"deconvolution\.background: 100 is far above the largest value of GFP, "):
        refuse_hopeless("GFP", choose(FRACTIONS, 0 * FRACTIONS), FLOAT)
    refuse_hopeless("GFP", choose(IMAGE, background=2000), FLOAT)  # above all, but perhaps not of what is not sampled
    refuse_hopeless("GFP", choose(DARK, background=130), FLOAT)
    refuse_hopeless("GFP", choose(0 * IMAGE), FLOAT)


def test_what_was_chosen_by_an_earlier_version_raises_no_doubt() -> None:
    for choice in ({"basis": {"dtype": "float32"}}, choose(FRACTIONS, background=None)):
        assert foresee_doubts(choice, WHOLE) == []
        refuse_hopeless("GFP", choice, WHOLE)
