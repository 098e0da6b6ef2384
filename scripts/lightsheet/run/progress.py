"""What a run says before and after its work: what is made and what is done again, whether it fits, and what failed."""

from collections import Counter

from lightsheet.run.backlog import NEW, Backlog
from lightsheet.run.clocks import describe_future_files
from lightsheet.run.disk import check_folder, count_bytes_due
from lightsheet.run.run import Run
from lightsheet.run.suspects import describe_units
from lightsheet.store import VolumeKey
from lightsheet.system import format_size, write_number


def list_outputs(run: Run, backlog: Backlog) -> set[str]:
    """Return the declared outputs of the jobs that a backlog needs, so that Snakemake runs them.

    By itself Snakemake would do so only for what it remembers or sees by the dates of files.
    """
    outputs = {run.find_manifest(key) for key in backlog.volumes}
    if backlog.choices:
        outputs |= {run.name_deconvolve_manifest(block) for block in run.blocks}
    outputs |= {str(run.results.psf(channel, ".tif")) for channel in backlog.psfs}
    due = {
        run.results.manifest("consolidate"): bool(backlog.publication),
        run.results.inventory: backlog.inventory,
        run.results.report: backlog.report,
    }
    return outputs | {str(path) for path, is_due in due.items() if is_due}


def list_failed_volumes(run: Run) -> list[str]:
    """Return a sentence for each volume whose record says that it could not be done."""
    records = run.read_records()
    failed = {key: record for key, record in records.items() if record and record["status"] == "failed"}
    # Where no raw volumes are kept, a file that cannot be read fails as a raw and as a result volume.
    return [
        f"{key}: {record['error']}"
        for key, record in failed.items()
        if key.kind == "result" or key._replace(kind="result") not in failed
    ]


def summarise_run(run: Run, backlog: Backlog) -> str:
    """Say what a run will make, and what it does again and why.

    InputError if its folder cannot be written, or its disk cannot hold it.
    """
    size = count_bytes_due(run, backlog)
    check_folder(run, size)
    z, y, x = run.shape
    share = run.describe_share()
    folder = run.results.folder
    due = (
        f"still to be written: at most {format_size(size)} of volumes into {folder}"
        if size
        else f"all of them are done in {folder}"
    )
    holes = f", {len(run.acquisition.holes)} of them missing" if run.acquisition.holes else ""
    summary = (
        f"{run.config['name']}: {write_number(run.acquisition.timepoints, 'timepoint')} x "
        f"{write_number(len(run.channels), 'channel')} ({', '.join(run.channels)}) = "
        f"{write_number(len(run.acquisition.volumes), 'volume')} of ({z}, {y}, {x}) {run.dtype}{holes}; "
        f"{f'selected: {share}; ' if share else ''}{due}"
    )
    return "\n".join(
        filter(None, [summary, *_describe_repetitions(backlog), describe_future_files(run), *describe_units(run)])
    )


def _describe_repetitions(backlog: Backlog) -> list[str]:
    """Say how many volumes are done again for which reasons; a volume counts once, raw and result."""
    reasons: dict[VolumeKey, list[str]] = {}
    for key, reason in backlog.volumes.items():
        sentences = reasons.setdefault(key.raw, [])
        sentences += [reason] if reason not in (NEW, *sentences) else []
    parts = []
    for reason, count in Counter(", ".join(sentences) for sentences in reasons.values() if sentences).most_common():
        parts.append(
            f"{write_number(count, 'volume')} again: {reason.replace('its ', 'their ') if count > 1 else reason}"
        )
    open_channels = {key.channel for key in backlog.done if key.kind == "result"} & set(backlog.choices)
    if open_channels:
        parts.append(
            f"{', '.join(sorted(open_channels))}: volumes that are done may be done again: what the configuration "
            "leaves to be chosen from the pixels is chosen first"
        )
    if backlog.publication and not backlog.volumes:
        parts.append(f"to be published: {backlog.publication}")
    return ["; ".join(parts)] if parts else []
