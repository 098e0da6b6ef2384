"""What is still to be done, and why: records compared with what this run would write into them.

Manifests, Snakemake's own notes and the dates of results only spare work; none of them can hide that a TIFF, a PSF, a
setting or the algorithm has changed, or that an earlier command failed.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial

from lightsheet.acquisition import format_inventory
from lightsheet.deconvolution import list_engines
from lightsheet.processing import Choice, list_raw_inputs, list_result_inputs, matches_source, write_region
from lightsheet.run.choices import find_choices, foresee_settings, is_undecided
from lightsheet.run.differences import CHANGED_CHUNKS, CHANGED_TIFF, EARLIER_VERSION, explain_inputs, explain_sources
from lightsheet.run.psf_state import PsfState, find_psf_state
from lightsheet.run.publication import explain_publication, identify_publication, is_report_current
from lightsheet.run.run import Run
from lightsheet.store import Record, VolumeKey, shards_exist
from lightsheet.system import digest_json, name_unreadable

RAW_COPY = "output.raw none -> keep"
"""The reason of a raw volume that is copied because raw volumes are kept now; its result stays."""

NEW = ""
"""The reason of a volume that was never done."""


@dataclass(frozen=True)
class Backlog:
    """What is still to be done, and why."""

    volumes: Mapping[VolumeKey, str]  # raw and result volumes, with the reason; `NEW` if they were never done
    done: Mapping[VolumeKey, Record]  # the records of the others
    psfs: Collection[str]  # channels whose PSF is to be prepared
    choices: Collection[str]  # channels for whose volumes something is to be chosen from the pixels, which may change
    publication: str  # why the stores and the provenance are to be published; empty if they are of these records
    inventory: bool  # whether it is to be written
    report: bool  # likewise

    def has(self, key: VolumeKey) -> bool:
        """Tell whether a volume is to be done; a result also if its raw volume is, which may come out the same."""
        return key in self.volumes or self.volumes.get(key.raw, RAW_COPY) != RAW_COPY


def find_backlog(run: Run, engines: Collection[str] = ()) -> Backlog:
    """Compare the records of a run, its PSFs and what is published with its files and its configuration.

    Parameters
    ----------
    run : Run
        What is to be made.
    engines : collection of str, optional
        The kinds of engine by which a volume may have been deconvolved; by default those that the configuration allows.

    Returns
    -------
    Backlog
        Nothing has been written, and of the TIFF files only their sizes and times are known.
    """
    records = run.read_records()
    psfs = {channel: find_psf_state(run, channel) for channel in run.channels}
    choices = find_choices(run)
    volumes: dict[VolumeKey, str] = {}
    for key, record in records.items():  # a raw volume comes before its result
        if key.kind == "raw":
            reason = _explain_files(run, key, record) or explain_raw(run, key, record)
        elif volumes.get(key.raw) in (CHANGED_TIFF, CHANGED_CHUNKS):
            reason = volumes[key.raw]
        else:
            psf, choice = psfs[key.channel], choices[key.channel]
            reason = explain_result(run, key, record, records[key.raw], psf, engines, choice)
        if reason is None and (run.keeps_raw or key.kind == "result"):
            reason = _explain_shards(run, key, record)
        if reason is not None:
            volumes[key] = reason
    done = {key: record for key, record in records.items() if record and key not in volumes}
    identity = "" if volumes else identify_publication(run, done)
    publication = explain_publication(run, done, identity) if identity else "volumes are to be done"
    return Backlog(
        volumes=volumes,
        done=done,
        psfs=[channel for channel, psf in psfs.items() if not psf.is_current],
        choices=[c for c, choice in choices.items() if is_undecided(run, c, choice, psfs[c].digest)],
        publication=publication,
        inventory=not _is_inventory_current(run),
        report=bool(publication) or not is_report_current(run, identity),
    )


def _is_inventory_current(run: Run) -> bool:
    table = format_inventory(run.acquisition, lambda piece: run.file_stats[piece].bytes).encode()
    with name_unreadable(run.results.inventory):
        return run.results.inventory.is_file() and run.results.inventory.read_bytes() == table


def _explain_files(run: Run, key: VolumeKey, record: Record | None) -> str:
    """Say how the files of a raw volume differ, by path, size and time, from those of its record; empty if not."""
    if not record or record["status"] != "done":
        return ""
    return explain_sources(record.get("sources", []), run.describe_sources(key.channel, key.timepoint))


def explain_raw(run: Run, key: VolumeKey, record: Record | None) -> str | None:
    """Say why a raw volume is to be done although its files may be those of its record; None if it is not."""
    if (reason := _explain_state(record)) is not None or not record:
        return reason
    tiles, layout = run.list_volume_tiles(key.channel, key.timepoint), run.layouts["raw"] if run.keeps_raw else None
    inputs = list_raw_inputs(tiles, record.get("sources", []), layout, run.region)
    if record["fingerprint"] == digest_json(inputs) or (not run.keeps_raw and matches_source(record, inputs)):
        return None
    if run.keeps_raw and "layout" not in record and matches_source(record, inputs):
        return RAW_COPY
    return explain_inputs(record, inputs)


def explain_result(
    run: Run,
    key: VolumeKey,
    record: Record | None,
    raw: Record | None,
    psf: PsfState,
    engines: Collection[str] = (),
    choice: Choice | None = None,
) -> str | None:
    """Say why a result is to be done; None if its record is what this run would write.

    What is not known yet, a raw volume or a PSF that is to be made anew, or what is to be chosen from the pixels of its
    channel, is taken to come out as it was.
    """
    if (reason := _explain_state(record)) is not None or not record:
        return reason
    if "algorithm" not in record:
        return EARLIER_VERSION
    if not raw or not raw.keys() >= {"source", "ingest"}:
        raw = record
    raw = {"source": raw["source"], "ingest": raw["ingest"], **write_region(run.region)}
    digest = psf.digest or record.get("psf", "")
    engine = record.get("settings", {}).get("engine", "")
    engines = engines or list_engines(run.config["deconvolution"]["engine"])
    settings = {
        **foresee_settings(run, key.channel, record, choice, psf.digest),
        "engine": engine if engine in engines else next(iter(engines)),
    }
    inputs = list_result_inputs(raw, digest, settings, run.layouts["result"])
    reasons = [psf.change] if psf.change else []
    if record["fingerprint"] != digest_json(inputs):
        reasons.append(explain_inputs(record, inputs))
    return ", ".join(reasons) or None


def _explain_state(record: Record | None) -> str | None:
    if not record:
        return NEW
    return "its last attempt failed" if record["status"] == "failed" else None


def _explain_shards(run: Run, key: VolumeKey, record: Record | None) -> str | None:
    if record and shards_exist(record["shards"], partial(run.results.shard, key)):
        return None
    return f"its {key.kind} shard is missing or damaged"
