"""Whether the PSFs used are those that this run would prepare."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lightsheet.psf import list_psf_inputs
from lightsheet.run.differences import explain_settings
from lightsheet.run.run import Run
from lightsheet.system import digest_sha256, name_unreadable, read_json

NAMES = {
    "psf_voxel_size": "psf.voxel_size",
    "background": "psf.background",
    "pages": "pages of the PSF",
    "psf_scan": "psf.scan",
}
"""Configuration keys of settings that have another name in `Run.psf_settings`."""


FIELDS = {"inputs": {"file", "settings", "version"}, "files": {".tif", ".png"}, "source": {"sha256"}}
"""What the sections of a PSF's facts have."""


class PsfState(NamedTuple):
    """What is known of the PSF used for a channel."""

    is_current: bool  # whether its three files are there, of the present image and settings
    change: str  # why volumes that it deconvolved are to be done again; empty if they are not
    digest: str | None  # of the PSF, None if it must be prepared first


def find_psf_state(run: Run, channel: str) -> PsfState:
    """Compare a channel's PSF with its image, by its digest, as archives keep dates, and with the settings."""
    facts = read_json(run.results.psf(channel, ".json"))
    if not _is_whole(facts) or channel not in run.psf_settings:
        return PsfState(False, "", None)
    path = Path(run.find_psf_file(channel))
    inputs = list_psf_inputs(path, **run.psf_settings[channel])
    change = _explain_change(path, facts, inputs)
    is_current = (
        not change
        and facts["inputs"] == inputs
        and all(_has_digest(run.results.psf(channel, suffix), digest) for suffix, digest in facts["files"].items())
    )
    return PsfState(is_current, change, None if change else facts["sha256"])


def _is_whole(facts: Any) -> bool:
    """Tell whether a PSF's facts hold what is compared here."""
    return (
        isinstance(facts, dict)
        and all(
            isinstance(facts.get(section), dict) and facts[section].keys() >= fields
            for section, fields in FIELDS.items()
        )
        and isinstance(facts["inputs"]["settings"], dict)
        and isinstance(facts.get("sha256"), str)
    )


def read_psf_state(run: Run, channel: str) -> PsfState:
    """Return the PSF that was prepared for a channel, whatever has become of its image since."""
    facts = read_json(run.results.psf(channel, ".json")) or {}
    return PsfState(bool(facts), "", facts.get("sha256"))


def _explain_change(path: Path, facts: Mapping[str, Any], inputs: Mapping[str, Any]) -> str:
    old_inputs = facts["inputs"]
    if old_inputs["version"] != inputs["version"]:
        return f"psf version {old_inputs['version']} -> {inputs['version']}"
    settings = [
        {NAMES.get(key, key): value for key, value in s.items()} for s in (old_inputs["settings"], inputs["settings"])
    ]
    if reason := explain_settings(*settings):
        return reason
    return "" if _has_digest(path, facts["source"]["sha256"]) else "its PSF changed"


def _has_digest(path: Path, digest: str) -> bool:
    with name_unreadable(path):
        return path.is_file() and digest_sha256(path) == digest
