"""The files of a run's provenance beside the crate itself: what a stranger needs to make its volumes again."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import yaml

from lightsheet.provenance.software import list_requirements
from lightsheet.provenance.table import format_table
from lightsheet.run import Run
from lightsheet.store import (
    CONFIG_FILE,
    README_FILE,
    REQUIREMENTS_FILE,
    SNAKEFILE_COPY,
    VOLUMES_FILE,
    Record,
    VolumeKey,
    name_measured_psf,
)
from lightsheet.system import InputError, digest_sha256, read_json, stat_file, write_text, write_whole


def write_provenance_folder(run: Run, records: Mapping[VolumeKey, Record], repository: Path) -> None:
    """Write `README.md` and what is in `provenance/`."""
    folder = run.results.folder
    for channel in run.channels:
        _copy_psf(run, channel, folder / name_measured_psf(channel))
    write_text(folder / SNAKEFILE_COPY, (repository / "Snakefile").read_text(encoding="utf-8"))
    # Snakemake reads a JSON configuration into ordered dictionaries, which YAML would not write as plain ones.
    write_text(folder / CONFIG_FILE, yaml.safe_dump(json.loads(json.dumps(run.config))))
    write_text(folder / REQUIREMENTS_FILE, list_requirements())
    write_text(folder / VOLUMES_FILE, format_table(run, records))
    write_text(folder / README_FILE, _format_readme(run))


def _copy_psf(run: Run, channel: str, copy: Path) -> None:
    """Keep the image of a PSF with the provenance: others do not have it where the configuration says."""
    source = read_json(run.results.psf(channel, ".json"))["source"]
    if copy.exists() and digest_sha256(copy) == source["sha256"]:
        return
    stat_file(Path(source["path"]))
    with write_whole(copy) as part:
        shutil.copyfile(source["path"], part)
        if digest_sha256(part) != source["sha256"]:
            raise InputError(f"{source['path']}: it changed after it was used; run the same command again")


def describe_run(run: Run) -> str:
    """Say in a sentence what was done to what."""
    settings, share = run.config["deconvolution"], run.describe_share()
    return (
        f"Light-sheet acquisition of {run.acquisition.timepoints} timepoints in {len(run.channels)} channels"
        f"{f' ({share})' if share else ''}, "
        f"deconvolved by Richardson-Lucy: iterations {settings['iterations']}, boundary {settings['boundary']}, "
        f"acceleration {settings['acceleration']}."
    )


def _format_readme(run: Run) -> str:
    name, folder = run.results.name, run.acquisition.folder.resolve()
    raw = " `raw/`: the raw ones of each channel." if run.keeps_raw else " The raw ones stayed in the acquisition."
    return f"""# {name}

{describe_run(run)}
Made by the Snakemake workflow lightsheet-decon from `{folder}`.

- `report.html`: start here.
- `{name}.ome.zarr`: the deconvolved volumes (t, c, z, y, x), OME-Zarr 0.5.{raw}
- `inventory.csv`: the files of the acquisition. `psf/`: the PSFs used.
- `ro-crate-metadata.json`: the provenance, a Workflow Run RO-Crate, with the files in `provenance/`.

From a checkout of the workflow, where this folder and the acquisition may lie anywhere:

- to make volumes again and compare them: `lightsheet verify THIS_FOLDER --raw ACQUISITION`
- to repeat the run: `lightsheet repeat THIS_FOLDER ACQUISITION > repeat.yaml`, then
  `snakemake -c all --configfile repeat.yaml`, then `lightsheet compare repeated/{name} THIS_FOLDER`
"""
