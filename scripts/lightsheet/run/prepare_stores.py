"""The Zarr stores of a run: unfolded into volumes, and looked through for what was never written."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from lightsheet.acquisition import Acquisition, OpenedStores, survey_volumes, take_over, unfold_stores
from lightsheet.run.selection import choose_region, select_volumes
from lightsheet.sources import SourceStats, read_unmeasured


class StoredImages(NamedTuple):
    """What `prepare_run` needs of the stores."""

    acquisition: Acquisition
    opened: OpenedStores
    state: dict[str, Any]  # for the jobs of this run, and for later runs


def open_stores(
    config: dict[str, Any], acquisition: Acquisition, stats: SourceStats, state: Any, *, in_job: bool
) -> StoredImages:
    """Unfold the stores of an acquisition, and find out which of their volumes can be used.

    Parameters
    ----------
    config : dict, checked; where all volumes lack the same chunks, `input.fill` becomes their fill value, and where the
        stores say which voxels were never measured, the value of these
    acquisition : Acquisition, from `discover`, with stores
    stats : SourceStats, of the run; the chunks of all selected volumes are looked at, but not in a job
    state : mapping or None, what an earlier run has written down of its stores: in a job, this one
    in_job : bool, as for `prepare_run`
    """
    section = config["input"]
    if section["fill"] == "auto":
        section["fill"] = _read_fill(acquisition)
    fill = section["fill"]
    opened = unfold_stores(
        acquisition,
        section["axes"],
        section["image"],
        fill=None if isinstance(fill, str) else fill,
        voxel_size=config.get("voxel_size"),
    )
    folder = str(acquisition.folder)
    previous = state if isinstance(state, Mapping) and state.get("folder") == folder else None
    if in_job and previous:
        acquisition = take_over(opened.acquisition, previous)
        if previous["fill"] is not None:
            section["fill"] = previous["fill"]
        return StoredImages(acquisition, opened, dict(previous))
    volumes = select_volumes(opened.acquisition, section["select"], is_growing=section["settle"] > 0).volumes
    survey = survey_volumes(
        opened.acquisition,
        stats.__getitem__,
        selection={volume.key for volume in volumes},
        missing=section["missing"],
        settle=section["settle"],
        fill=fill,
        fill_value=opened.fill,
        previous=previous,
        region=choose_region(section["select"], [n * m for n, m in zip(opened.shape, acquisition.grid, strict=True)]),
    )
    if survey.fill is not None:
        section["fill"] = survey.fill
    state = {**survey.state, "folder": folder, "reading": opened.reading}
    return StoredImages(survey.acquisition, opened, state)


def _read_fill(acquisition: Acquisition) -> float | str:
    """Return what voxels are that were never measured, if all stores say the same; else auto."""
    values = {read_unmeasured(acquisition.folder / store) for store in acquisition.stores}
    value = values.pop() if len(values) == 1 else None
    return "auto" if value is None else value
