"""Play cells of the chaos test, drawn at random or named: `make chaos N=100`, `make chaos CELL=NAME`."""

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.chaos_cell import draw_cell, parse_cell
from tests.support.chaos_changes import CHANGES, change_project
from tests.support.chaos_play import NOT_HIT, Stage, play_cell, use_faults
from tests.support.project import Project


def record_operations(stage: Stage, folder: Path) -> tuple[dict[str, Counter[str]], float]:
    """Count what each script does in a fresh run and in one with other iterations; measure the seconds of the first."""
    shutil.copytree(stage.finish("nothing").folder, folder)
    project, counts, seconds = Project(folder), {}, 0.0
    for change in ("afresh", "iterations"):
        change_project(project, CHANGES[change])
        start = time.monotonic()
        project.succeed(environment=use_faults(folder / "token", "any record op 1"))
        seconds = seconds or time.monotonic() - start
        for path in folder.glob("token.*"):
            counts[path.suffix[1:]] = counts.get(path.suffix[1:], Counter()) | Counter(path.read_text().split())
            path.unlink()
    return counts, seconds


def list_cells(stage: Stage, number: int, seed: int) -> list[str]:
    operations, seconds = record_operations(stage, stage.folder / "recorded")
    print(f"a run takes {seconds:.1f} s; its file operations:")
    for place, counts in sorted(operations.items()):
        print(f"  {place:12}", ", ".join(f"{event} {count}" for event, count in sorted(counts.items())))
    return [draw_cell(random.Random(f"{seed} {n}"), operations, seconds) for n in range(number)]


def main() -> int:
    """Play the cells, print a line for each and a count; return 1 if any failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=20, help="cells to draw")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="cells at a time")
    parser.add_argument("cells", nargs="*", help="names of cells, to be played instead of random ones")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    stage = Stage(folder)
    names = arguments.cells or list_cells(stage, arguments.number, arguments.seed)
    outcomes: Counter[str] = Counter()

    def play(task: tuple[int, str]) -> None:
        number, name = task
        place, start = folder / f"cell{number}", time.monotonic()
        wrong, story = play_cell(parse_cell(name), stage, place)
        outcomes.update(["FAIL" if wrong else "ok", *([NOT_HIT] if NOT_HIT in story else [])])
        line = f"{name}  exit {story}  {time.monotonic() - start:.0f} s"
        if wrong:
            line += f"\n    {wrong}; see {place}\n    again: make chaos CELL='{name}'"
        else:
            shutil.rmtree(place)
        print(f"{number}/{len(names)} {'FAIL' if wrong else 'ok  '} {line}", flush=True)

    with ThreadPoolExecutor(arguments.jobs) as pool:
        list(pool.map(play, enumerate(names, 1)))
    seed = "" if arguments.cells else f", seed {arguments.seed}"
    print(f"{len(names)} cells{seed}: {outcomes['ok']} ok, {outcomes['FAIL']} FAIL, {outcomes[NOT_HIT]} {NOT_HIT}")
    if not outcomes["FAIL"]:
        shutil.rmtree(folder)
    return 1 if outcomes["FAIL"] else 0


if __name__ == "__main__":
    sys.exit(main())
