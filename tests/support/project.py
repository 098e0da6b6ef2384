"""A project as a user has it: a folder of TIFF stacks, a configuration, and the `snakemake` command."""

import contextlib
import copy
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lightsheet.run import Run, find_backlog, list_outputs, prepare_run, summarise_run
from lightsheet.simulation import simulate
from lightsheet.system import files
from lightsheet.system.errors import InputError

ROOT = Path(__file__).parents[2]
SHAPE = (12, 40, 36)
CHANNELS = ("CamA_ch0_488nm", "CamA_ch1_560nm")
VOXEL = {"z": 0.3, "y": 0.104, "x": 0.104}
PSFS = {CHANNELS[0]: "psf/488.tif", CHANNELS[1]: "psf/560.tif"}
CONFIG: dict[str, Any] = {
    "name": "small",
    "input": {"folder": "data"},
    "voxel_size": VOXEL,
    "psf": {"files": PSFS, "voxel_size": {"z": 0.1, "y": 0.104, "x": 0.104}},
    "deconvolution": {"engine": "cpu", "iterations": 10, "background": 100, "timepoints_per_job": 3},
}

ONE_WORKER = ("--set-resources", "deconvolve:dask_workers=1")
"""Of a run whose subject is not its workers: each more takes a second and a half to start."""


@dataclass
class Project:
    """A folder with `data/`, `my.yaml` and, after a run, `results/`."""

    folder: Path

    @property
    def results(self) -> Path:
        return self.folder / "results" / "small"

    def simulate(self, timepoints: int = 3, shape: tuple[int, int, int] = SHAPE, channels: int = 2) -> None:
        """Make data/."""
        simulate.simulate_acquisition(
            self.folder / "data",
            channels=channels,
            timepoints=timepoints,
            shape=shape,
            psf_shape=(31, 20, 20),
            progress=lambda _line: None,
        )

    def configure(self, **sections: Any) -> None:
        """Write my.yaml: CONFIG with keys of its sections replaced."""
        config = copy.deepcopy(CONFIG)
        for name, value in sections.items():
            if isinstance(value, dict) and isinstance(config.get(name), dict):
                config[name].update(value)
            else:
                config[name] = value
        (self.folder / "my.yaml").write_text(yaml.safe_dump(config))

    def configure_one_channel(self, **sections: Any) -> None:
        """Write my.yaml for an acquisition of which data/ holds the first channel alone, all of it one block."""
        psf = {"files": {CHANNELS[0]: PSFS[CHANNELS[0]]}, **sections.pop("psf", {})}
        deconvolution = {"timepoints_per_job": 100, **sections.pop("deconvolution", {})}
        self.configure(psf=psf, deconvolution=deconvolution, **sections)

    def prepare(self) -> Run:
        """Prepare the run in this process, as the Snakefile does, the look at the disk included."""
        with contextlib.chdir(self.folder):
            run = prepare_run(yaml.safe_load((self.folder / "my.yaml").read_text()))
            summarise_run(run, find_backlog(run))
        return run

    def refusal(self) -> str:
        """Return the sentence with which a run is refused before Snakemake would plan a job."""
        with pytest.raises(InputError) as error:
            self.prepare()
        return str(error.value)

    def list_due(self) -> set[str]:
        """Name the outputs whose jobs the Snakefile would have run again."""
        with contextlib.chdir(self.folder):
            run = self.prepare()
            return {Path(output).stem for output in list_outputs(run, find_backlog(run))}

    def command(self, *arguments: str) -> list[str]:
        return [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
            *("--cores", "2", *arguments, "--configfile", "my.yaml"),
        ]

    def run(self, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def read_log(self, jobs: str) -> str:
        """Read the logs of jobs, by a pattern of their names; they may not be there yet."""
        return "".join(self._read_logs(jobs).values())

    def _read_logs(self, jobs: str = "*") -> dict[Path, str]:
        """Return the logs as they are now: Snakemake removes a log when its job begins."""
        texts = {}
        for path in sorted((self.results / "logs").glob(f"{jobs}.log")):
            with contextlib.suppress(FileNotFoundError):
                texts[path] = path.read_text(errors="replace")
        return texts

    def succeed(self, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        ended = self.run(*arguments, environment=environment)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout + ended.stderr

    def fail(self, *arguments: str) -> str:
        ended = self.run(*arguments)
        assert ended.returncode != 0, ended.stderr
        assert "Traceback" not in ended.stderr, ended.stderr
        return ended.stdout + ended.stderr

    def start(self, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a run in a session of its own, so that `kill` reaches all its processes."""
        with (self.folder / "run.log").open("wb") as log:
            return subprocess.Popen(
                self.command(*arguments),
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @staticmethod
    def kill(running: subprocess.Popen[bytes]) -> None:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()

    def forget(self) -> None:
        """Remove all that runs made."""
        shutil.rmtree(self.folder / "results", ignore_errors=True)
        shutil.rmtree(self.folder / ".snakemake", ignore_errors=True)

    def tiffs(self) -> list[Path]:
        return sorted((self.folder / "data").glob("*.tif"))

    def record(self, kind: str, channel: int, timepoint: int) -> dict[str, Any]:
        path = self.results / "records" / kind / CHANNELS[channel] / f"t{timepoint:04d}.json"
        record: dict[str, Any] = files.read_json(path)
        return record

    def finished(self, kind: str) -> dict[str, tuple[int, str]]:
        """Per volume which file its record is: a volume done again has a new one."""
        records = (self.results / "records" / kind).rglob("t*.json")
        return {f"{p.parent.name}/{p.stem}": (p.stat().st_ino, p.read_text()) for p in records}

    def digests(self) -> dict[str, str]:
        """Digest of every file of the published stores."""
        stores = [self.results / "small.ome.zarr", *(self.results / "raw").glob("*.ome.zarr")]
        return {
            str(path.relative_to(self.results)): files.digest_sha256(path)
            for store in stores
            for path in sorted(store.rglob("*"))
            if path.is_file()
        }


def finish_small_run(folder: Path) -> None:
    """Make a finished run in a folder: two channels x three timepoints, one block."""
    project = Project(folder)
    project.simulate()
    project.configure()
    project.succeed()


def redone(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Name the volumes whose record is not the one that it was."""
    return sorted(name for name in after if before.get(name) != after[name])
