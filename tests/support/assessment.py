"""How well a result explains its image, as the record of a volume has it."""

from typing import Any

from lightsheet.processing.quality import compare_result, measure_resolutions


def assess_result(*arguments: Any, **options: Any) -> dict[str, Any]:
    """Arguments are those of `compare_result`."""
    residual, planes = compare_result(*arguments, **options)
    return {"residual": residual, "resolution_voxels": measure_resolutions(planes)}
