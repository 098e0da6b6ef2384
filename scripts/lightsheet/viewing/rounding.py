"""What storing a run's results in fewer bits has changed, for the report."""

from collections.abc import Mapping, Sequence

from lightsheet.viewing.finished_run import VolumeRecords
from lightsheet.viewing.measures import format_measure


def describe_rounding(records: Mapping[str, Sequence[VolumeRecords]]) -> str | None:
    """Say that results were rounded, and by how much at most in each channel; None if they were not.

    Parameters
    ----------
    records : mapping, the records of each channel's volumes
    """
    texts = [f"{channel}: {text}" for channel, volumes in records.items() if (text := _describe_channel(volumes))]
    return "; ".join(texts) or None


def _describe_channel(volumes: Sequence[VolumeRecords]) -> str | None:
    statistics = [volume.statistics for volume in volumes if volume.statistics.get("rounding_error")]
    if not statistics:
        return None
    text = f"by {format_measure(max(s['rounding_error'] for s in statistics), '%')} (relative L2)"
    if shares := [s["rounding_to_noise"] for s in statistics if "rounding_to_noise" in s]:
        text += f", {format_measure(max(shares), '%')} of their noise"
    return f"{text}, at most"
