"""Fill in the volumes of a channel: found in a sample of them, told, and left out of what is measured in a volume."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lightsheet.deconvolution import Mask, check_mask, describe_fill, erase_unmeasured, find_fill, find_measured
from lightsheet.processing.camera import subtract_background
from lightsheet.system import InputError


def choose_fill(planes: Mapping[int, np.ndarray], request: float | str) -> dict[str, Any] | None:
    """Find out from planes (z, y, x) of several timepoints what stands where a channel's volumes were not measured.

    Parameters
    ----------
    planes : mapping, planes by timepoint, as `Sample` has them
    request : float or str, `input.fill`: the value, auto or none

    Returns
    -------
    dict, or None where none is asked for
        `values`: of voxels that were never measured, none if all were; `rim`: how many voxels beside them are mixtures;
        `share`: of the voxels; `doubtful`: values, each with its share, that may be fill, or darkness.
    """
    if request == "none":
        return None
    images = list(planes.values())
    fill = find_fill(images) if isinstance(request, str) else describe_fill(images, [request])
    return {
        "values": list(fill.values),
        "rim": fill.rim,
        "share": round(fill.share, 4),
        "doubtful": [[value, round(share, 4)] for value, share in fill.doubtful],
    }


def describe_fill_choice(fill: Mapping[str, Any] | None) -> list[str]:
    """Say in sentences what was found of a channel's fill, from `choose_fill`."""
    if not fill:
        return []
    doubtful = [
        f"{100 * share:.0f} % of the voxels are exactly {value:g} and touch the border: taken for darkness, which was "
        f"cut off there; if they were never measured, say input.fill: {value:g}"
        for value, share in fill["doubtful"]
    ]
    return [explain_fill(fill), *doubtful] if fill["values"] else doubtful


def explain_fill(fill: Mapping[str, Any]) -> str:
    """Say how much was never measured."""
    values = " or ".join(f"{value:g}" for value in fill["values"])
    return (
        f"{100 * fill['share']:.2g} % of the voxels are exactly {values} and touch the border: taken as never measured "
        "(input.fill)"
    )


def refuse_fill(channel: str, fill: Mapping[str, Any] | None, boundary: str, engine: str) -> None:
    """Refuse a method that takes fill for darkness: InputError with what to choose instead."""
    if fill and fill["values"]:
        try:
            check_mask(boundary, engine)
        except InputError as error:
            raise InputError(
                f"{channel}: {explain_fill(fill)}, but {error}; or say input.fill: none if it is darkness"
            ) from None


def resolve_fill(request: float | str, fill: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return `fill` among the settings of a volume, from the configuration and `choose_fill`; nothing if there is none.

    It has the `values` and the `rim`.
    """
    if fill and fill["values"]:
        return {"fill": {"values": fill["values"], "rim": fill["rim"]}}
    return {} if isinstance(request, str) else {"fill": {"values": [request], "rim": 0}}


def find_mask(volume: np.ndarray, settings: Mapping[str, Any]) -> Mask | None:
    """Find out which voxels of a volume (z, y, x) were measured; None if all were."""
    fill = settings.get("fill")
    return find_measured(volume, fill["values"], fill["rim"]) if fill else None


def cut_image(
    raw: np.ndarray, region: tuple[slice, ...], background: float, mask: Mask | None
) -> tuple[np.ndarray, Mask | None]:
    """Return what is deconvolved of a region of a volume (counts), without background, and its mask.

    The image is float32, and 0 where it was below the background, or never measured.
    """
    image = subtract_background(raw[region], background)
    part_mask = mask[region] if mask else None
    if part_mask:
        erase_unmeasured(image, part_mask)
    return np.maximum(image, 0, out=image), part_mask
