"""The files of a run's provenance beside the crate itself: what a stranger needs to make its volumes again."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import yaml

from lightsheet import files, software, volume_table
from lightsheet.errors import InputError
from lightsheet.records import Record
from lightsheet.results import CONFIG, README, REQUIREMENTS, SNAKEFILE, VOLUMES, measured_psf
from lightsheet.run import Run


def write(run: Run, done: Mapping[tuple[str, str, int], Record], repository: Path) -> None:
    """Write `README.md` and what is in `provenance/`; arguments as for `provenance.write`."""
    folder = run.results.folder
    for channel in run.channels:
        _copy_psf(run, channel, folder / measured_psf(channel))
    files.write_text(folder / SNAKEFILE, (repository / "Snakefile").read_text(encoding="utf-8"))
    # Snakemake reads a JSON configuration into ordered dictionaries, which YAML would not write as plain ones.
    files.write_text(folder / CONFIG, yaml.safe_dump(json.loads(json.dumps(run.config))))
    files.write_text(folder / REQUIREMENTS, software.requirements())
    files.write_text(folder / VOLUMES, volume_table.text(volume_table.rows(run, done)))
    files.write_text(folder / README, _readme(run))


def _copy_psf(run: Run, channel: str, copy: Path) -> None:
    """Keep the image of a PSF with the provenance: nobody else has it where the configuration says."""
    source = files.read_json(run.results.psf(channel, ".json"))["source"]
    if copy.exists() and files.sha256(copy) == source["sha256"]:
        return
    files.stat(Path(source["path"]))
    with files.atomic(copy) as part:
        shutil.copyfile(source["path"], part)
        if files.sha256(part) != source["sha256"]:
            raise InputError(f"{source['path']}: it changed after it was used; run the same command again")


def summary(run: Run) -> str:
    """Say in a sentence what was done to what."""
    how = run.config["deconvolution"]
    return (
        f"Light-sheet acquisition of {run.acquisition.timepoints} timepoints in {len(run.channels)} channels, "
        f"deconvolved by Richardson-Lucy: iterations {how['iterations']}, boundary {how['boundary']}, "
        f"acceleration {how['acceleration']}."
    )


def _readme(run: Run) -> str:
    name, folder = run.results.name, run.acquisition.folder.resolve()
    return f"""# {name}

{summary(run)}
Made by the Snakemake workflow lightsheet-decon from `{folder}`.

- `report.html`: start here.
- `{name}.ome.zarr`: the deconvolved volumes (t, c, z, y, x), OME-Zarr 0.5. `raw/`: the raw ones of each channel.
- `inventory.csv`: the files of the acquisition. `psf/`: the PSFs used.
- `ro-crate-metadata.json`: the provenance, a Workflow Run RO-Crate, with the files in `provenance/`.

From a checkout of the workflow, where this folder and the acquisition may lie anywhere:

- to make volumes again and compare them: `python scripts/verify.py THIS_FOLDER --raw ACQUISITION`
- to repeat the run: `python scripts/repeat.py THIS_FOLDER ACQUISITION > repeat.yaml`, then
  `snakemake -c all --configfile repeat.yaml`, then `python scripts/compare.py repeated/{name} THIS_FOLDER`
"""
