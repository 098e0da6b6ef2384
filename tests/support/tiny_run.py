"""A finished run without Snakemake: the library's own functions, volume by volume, on 2 x 2 volumes of two tiles."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

import inventory as inventory_script
from lightsheet.processing import deconvolve, ingest, list_result_inputs, read_choices, resolve_settings
from lightsheet.processing.source import Source
from lightsheet.provenance import crate
from lightsheet.psf import list_psf_inputs, measure, preparation
from lightsheet.run import choose_due, consolidate
from lightsheet.run.prepare import prepare_run
from lightsheet.run.run import Run
from lightsheet.simulation import optics, scene
from lightsheet.store.paths import VolumeKey
from lightsheet.system import files

UNREAD = {"source": "", "ingest": ""}
"""Instead of the record of a raw volume that the worker reads itself."""

ROOT = Path(__file__).parents[2]
STARTED, ENDED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2026, 1, 2, 4, 5, 6, tzinfo=UTC)
TILE = (6, 20, 12)
VOXEL = {"z": 0.3, "y": 0.104, "x": 0.104}
NAMES = {"CamA_ch0_488nm": "488.tif", "CamA_ch1_560nm": "560.tif"}


def simulate(folder: Path) -> None:
    """Write tiles of noise with one bright voxel, and a PSF per channel; a blank in a path is nothing special."""
    rng = np.random.default_rng(5)
    folder.mkdir(parents=True)
    for number, (channel, name) in enumerate(NAMES.items()):
        camera, index, wavelength = channel.split("_")
        image = optics.simulate_measured_psf(scene.CHANNELS[number], (31, 20, 20), VOXEL, rng)
        tifffile.imwrite(folder / name, image)
        for t in range(2):
            for x in range(2):
                tile = rng.poisson(120, TILE).astype(np.uint16)
                tile[3, 10, 5] = 5000
                clock = f"{t * 1000:07d}msec_{t * 1000:010d}msecAbs"
                name = f"a b_{camera}_{index}_CAM1_stack{t:04d}_{wavelength}_{clock}_{x:03d}x_000y_000z_0000t.tif"
                tifffile.imwrite(folder / name, tile)


def prepare(folder: Path, **sections: dict[str, object]) -> Run:
    """Plan a run whose data and results lie in `folder`; keys of the configuration's sections replaced."""
    config: dict[str, Any] = {
        "name": "tiny",
        "input": {"folder": str(folder / "my data"), "ignore": ["???.tif"]},
        "voxel_size": dict(VOXEL),
        "psf": {"files": NAMES, "voxel_size": {"z": 0.1, "y": 0.104, "x": 0.104}},
        "deconvolution": {"engine": "cpu", "iterations": 2},
        "output": {"folder": str(folder / "results")},
    }
    for name, section in sections.items():
        config[name] |= section
    return prepare_run(config)


def finish(run: Run) -> None:
    """Do what the workflow's rules do, up to the provenance."""
    done = {}
    results, layouts = run.results, run.layouts
    results.folder.mkdir(parents=True, exist_ok=True)
    inventory_script.inventory(run.acquisition, run.describe_volume(), results.folder / "inventory.csv")
    for channel in run.channels:
        path = Path(run.find_psf_file(channel))
        psf, facts = preparation.prepare_psf_file(path, **run.psf_settings[channel])
        measure.save_psf(psf, VOXEL, results.psf(channel, ".tif"))
        files.write_text(results.psf(channel, ".png"), "stands for a picture, which takes a second to draw")
        digests = {suffix: files.digest_sha256(results.psf(channel, suffix)) for suffix in (".tif", ".png")}
        inputs = list_psf_inputs(path, **run.psf_settings[channel])
        files.write_json(results.psf(channel, ".json"), {**facts, "inputs": inputs, "files": digests})
        for t, tiles in run.list_tiles(channel, run.timepoints):
            key = VolumeKey("raw", channel, t)
            if run.keeps_raw:
                done[key] = ingest.ingest_volume(results, key, tiles, layouts["raw"], 1, region=run.region)
    choose_due(run)
    choices = read_choices(results)
    for channel in run.channels:
        settings = resolve_settings(run.settings, channel, choices[channel])
        digest = files.read_json(results.psf(channel, ".json"))["sha256"]
        for t in run.timepoints:
            key = VolumeKey("result", channel, t)
            source = None
            if not run.keeps_raw:
                source = Source(run.list_volume_tiles(channel, t), run.shape, run.dtype, run.region, run.facts)
            inputs = list_result_inputs(done.get(key.raw, UNREAD), digest, settings, layouts["result"])
            done[key] = deconvolve.deconvolve_volume(
                results, key, results.psf(channel, ".tif"), settings, layouts["result"], inputs, 1, source=source
            )
            done[key.raw] = files.read_json(results.record(key.raw))
    consolidate.publish_stores(run, done)
    crate.write_crate(run, done, repository=ROOT, started=STARTED, ended=ENDED)


def make(folder: Path, **sections: dict[str, object]) -> Run:
    """Simulate, plan and finish a run in `folder`."""
    simulate(folder / "my data")
    run = prepare(folder, **sections)
    finish(run)
    return run
