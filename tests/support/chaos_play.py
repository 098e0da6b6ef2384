"""A cell of the chaos test is played: a finished run is changed, its command meets with a fault and is typed again."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.support.chaos_cell import Cell
from tests.support.chaos_changes import CHANGES, INJURIES, RESULTS, SHAPE, TIMEPOINTS, TRIGGERS, Change, change_project
from tests.support.chaos_check import find_difference, find_half_store, find_leftover, watch_readers
from tests.support.project import ONE_WORKER, ROOT, Project, redone
from tests.support.shared_folder import fill_once

TRIES = 4
TOO_LONG = 124
PATIENCE_SECONDS = 60.0
COMMAND_SECONDS = 240.0
DAMAGED = {"ingest": "*stack0000*.tif", "psf": "psf/488.tif"}
"""The input that a damage hits, in data/."""


NOT_HIT = "not hit"
TRACEBACK = "Traceback (most recent call last)"


def use_faults(token: Path, fault: str = "") -> dict[str, str]:
    """Return the environment in which the scripts of a run meet with a fault, see chaos_fault."""
    fault_variable = {"CHAOS_FAULT": fault} if fault else {}
    folders = f"{ROOT / 'tests' / 'support' / 'chaos_fault'}:{ROOT / 'scripts'}"
    return {**os.environ, "PYTHONPATH": folders, "CHAOS_TOKEN": str(token), **fault_variable}


FRESH_RUN = """
import yaml
from lightsheet.run.prepare import prepare_run
from tests.support.tiny_run import finish

finish(prepare_run(yaml.safe_load(open("my.yaml"))))
"""
"""A fresh run without Snakemake and Dask, up to the provenance; it knows no holes."""


@dataclass
class Stage:
    """A folder with a finished run, and fresh runs to compare with, each made when it is needed first.

    If time is short, fresh runs are made by the library alone, and what another command would do is asked of it, too.
    """

    folder: Path
    is_quick: bool = False

    def finish(self, change: str) -> Project:
        """Return the fresh run of a change, not to be touched."""
        name = CHANGES[change].like or change
        return Project(fill_once(self.folder, name, lambda folder: self._finish(folder, name)))

    def _finish(self, folder: Path, name: str) -> None:
        project = Project(folder)
        if name == "nothing":
            project.simulate(timepoints=TIMEPOINTS, shape=SHAPE, channels=1)
        else:
            shutil.copytree(self.finish("nothing").folder / "data", folder / "data")
        change_project(project, CHANGES[name])
        if self.is_quick and name != "nothing":
            environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'scripts'}:{ROOT}"}
            subprocess.run([sys.executable, "-c", FRESH_RUN], cwd=folder, env=environment, check=True)
            return
        environment = {**use_faults(folder / "token"), **CHANGES[name].environment}
        project.succeed(*([] if name == "nothing" else ["consolidate"]), environment=environment)


@dataclass
class Play:
    """The commands of one cell in a copy of the finished run; `story` tells what each did."""

    project: Project
    reference: Project
    cell: Cell
    is_quick: bool
    story: list[str] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)  # process groups of the commands

    @property
    def change(self) -> Change:
        return CHANGES[self.cell.change]

    @property
    def token(self) -> Path:
        return self.project.folder / "token"

    @property
    def options(self) -> tuple[str, ...]:
        """Of the command: in a quick play, two workers only where the fault meets them."""
        return ONE_WORKER if self.is_quick and self.cell.place not in ("deconvolve", "worker") else ()

    def type_command(self, fault: str = "", seconds: float | None = None) -> tuple[int, str]:
        """Type the command; a fault waits in it, or it is hit from outside after so many seconds."""
        disk = {"CHAOS_DISK": self.cell.disk} if self.cell.disk else {}
        environment = {**use_faults(self.token, fault), **self.change.environment, **disk}
        log = self.project.folder / f"command{len(self.groups) + 1}.log"
        with log.open("wb") as file:
            running = subprocess.Popen(
                self.project.command(*self.options),
                cwd=self.project.folder,
                env=environment,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self.groups.append(running.pid)
        if seconds is not None:
            self._hit(running, seconds)
        try:
            code = running.wait(COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            self.project.kill(running)
            code = TOO_LONG
        self.story.append(str(code))
        return code, log.read_text()

    def _hit(self, running: subprocess.Popen[bytes], seconds: float) -> None:
        try:
            running.wait(seconds)
        except subprocess.TimeoutExpired:
            name, _, whom = self.cell.deed.partition("-")
            number = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "int": signal.SIGINT}[name]
            (os.killpg if whom == "tree" else os.kill)(running.pid, number)
            self.token.unlink()

    def list_orphans(self) -> list[psutil.Process]:
        """List what still runs of the commands that have ended."""
        orphans = []
        for process in psutil.process_iter(["pid", "status"]):
            try:
                if process.status() != psutil.STATUS_ZOMBIE and os.getpgid(process.pid) in self.groups:
                    orphans.append(process)
            except (psutil.Error, ProcessLookupError):
                continue
        return orphans

    def wait_for_orphans(self) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while self.list_orphans() and time.monotonic() < end:
            time.sleep(0.1)

    def prepare(self) -> None:
        """Change the finished run as the cell says."""
        change_project(self.project, self.change)
        results = self.project.results
        if self.cell.result and (path := results / RESULTS[self.cell.result]).exists():
            INJURIES[self.cell.injury or ""](path)
        if self.cell.place in TRIGGERS and self.cell.place not in self.change.places:
            (results / RESULTS[TRIGGERS[self.cell.place]]).unlink(missing_ok=True)
        self.token.touch()

    def meet_fault(self) -> str | None:
        """Type the command that fails; say what is wrong with how it does."""
        place, deed = self.cell.place, self.cell.deed
        if deed.startswith("damage"):
            return self._meet_damage()
        if place == "run":
            code, output = self.type_command(seconds=float(self.cell.seconds or 0))
        else:
            code, output = self.type_command(f"{place} {deed} {self.cell.event} {self.cell.ordinal}")
        if self.token.exists():
            self.token.unlink()
            self.story[-1] += f" ({NOT_HIT})"
        elif deed == "full" and code and "is full" not in output:
            return "no sentence says that the disk is full"
        return self.judge(code, output if deed == "full" else "")

    def _meet_damage(self) -> str | None:
        [path] = (self.project.folder / "data").glob(DAMAGED[self.cell.place])
        whole = self.project.folder / "whole"
        shutil.copy2(path, whole)
        os.truncate(path, path.stat().st_size // 2)
        if self.cell.deed == "damage-same-date":
            shutil.copystat(whole, path)
        for _ in range(2):
            code, output = self.type_command()
            if code == 0:
                return f"{path.name} is cut off, and the command says that all is done"
            if path.name not in output or TRACEBACK in output:
                return f"no sentence says that {path.name} is damaged"
        shutil.copy2(whole, path)
        return None

    def judge(self, code: int, output: str) -> str | None:
        """Say what is wrong after a command: half a store, a traceback, success with other results than a fresh run."""
        if code == TOO_LONG:
            return f"a command takes longer than {COMMAND_SECONDS:.0f} s"
        if not self.hurts_store and (fault := find_half_store(self.project)):
            return fault
        if code == 0:
            return find_difference(self.project, self.reference)
        return "a traceback" if TRACEBACK in output else None

    @property
    def hurts_store(self) -> bool:
        """Whether readers find a damaged store from the beginning, or none, if only while two are swapped."""
        is_triggered = self.cell.place == "consolidate" and not self.change.places
        is_injured = RESULTS.get(self.cell.result or "", "").startswith(("raw/", "small.ome.zarr"))
        return is_triggered or is_injured or self.cell.change == "afresh" or bool(self.cell.disk)

    def succeed(self) -> str | None:
        """Type the command until it succeeds."""
        for number in range(2, TRIES + 1):
            if number > 2:
                self.wait_for_orphans()
            code, output = self.type_command()
            if (wrong := self.judge(code, output)) or code == 0:
                return wrong
        return f"it does not succeed: {output.strip().splitlines()[-1]}"

    def play(self) -> str | None:
        """Play the cell; return what is wrong, if anything is."""
        self.prepare()
        before = self.project.finished("result")
        with ExitStack() as stack:
            absent = [] if self.hurts_store else stack.enter_context(watch_readers(self.project, self.reference))
            wrong = self.meet_fault()
            if wrong is None and not self.story[-1].startswith("0"):
                wrong = self.succeed()
        if wrong:
            return wrong
        if absent:
            return f"{len(absent)} times a reader did not find {absent[0]}"
        if self.change.redoes_all and len(redone(before, self.project.finished("result"))) < TIMEPOINTS:
            return "not every volume was done again"
        if self.project.list_due() if self.is_quick else "Nothing to be done" not in self.type_command()[1]:
            return "another command has something to do"
        return find_leftover(self.project)


def play_cell(cell: Cell, stage: Stage, folder: Path) -> tuple[str | None, str]:
    """Play a cell in a folder; return what is wrong, and how the commands ended."""
    finished, reference = stage.finish("nothing"), stage.finish(cell.change)
    subprocess.run(["cp", "-a", str(finished.folder), str(folder)], check=True)  # hard links and dates stay
    play = Play(Project(folder), reference, cell, stage.is_quick)
    try:
        return play.play(), ", ".join(play.story)
    finally:
        for orphan in play.list_orphans():
            orphan.kill()
