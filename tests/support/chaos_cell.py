"""One cell of the chaos test, and how it is drawn and named."""

import random
import re
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from tests.support.chaos_changes import APPLICABLE, CHANGES

PLACES = ("inventory", "psf", "ingest", "deconvolve", "worker", "consolidate", "report")
OUTSIDE = ("kill-tree", "kill-main", "term-main", "int-tree")
DEEDS = ("raise", "full", "kill", "term", *OUTSIDE)
DAMAGES = ("damage", "damage-same-date")

NAME = re.compile(
    r"(?P<place>\w+):(?P<deed>[a-z-]+)(?:@(?P<event>[a-z]+)(?P<ordinal>\d+))?(?:@(?P<seconds>[\d.]+)s)?"
    r"/(?P<change>[a-z-]+)(?:\+(?P<injury>\w+):(?P<result>[a-z-]+))?(?:~(?P<disk>nfs|smb))?"
)


class Cell(NamedTuple):
    """PLACE:DEED@MOMENT/CHANGE+INJURY:RESULT~DISK.

    PLACE is a rule, `worker`, or `run` for a fault that comes from outside after so many seconds. The deeds are those
    of chaos_fault, and `damage` and `damage-same-date` of an input file; DISK is one of chaos_fault's.
    """

    name: str
    place: str
    deed: str
    event: str | None
    ordinal: str | None
    seconds: str | None
    change: str
    injury: str | None
    result: str | None
    disk: str | None


def parse_cell(name: str) -> Cell:
    match = NAME.fullmatch(name)
    assert match, f"{name} is no cell: {Cell.__doc__}"
    return Cell(name, **match.groupdict())


def draw_cell(random: random.Random, operations: Mapping[str, Counter[str]], seconds: float) -> str:
    """Draw the name of a cell.

    Parameters
    ----------
    random : Random, the source of all that is drawn
    operations : mapping of place to Counter, how often a script does each operation
    seconds : float, how long a run takes
    """
    kind = random.choices(("operation", "moment", "damage"), (75, 15, 10))[0]
    if kind == "operation":
        place = random.choice(PLACES)
        event = random.choice(sorted(operations[place]))
        fault = (
            f"{place}:{random.choice(DEEDS)}@{event}{random.randint(1, random.randint(1, operations[place][event]))}"
        )
    elif kind == "moment":
        fault = f"run:{random.choice(OUTSIDE)}@{random.uniform(0, seconds):.2f}s"
    else:
        fault = f"{random.choice(('ingest', 'psf'))}:{random.choice(DAMAGES)}"
    return f"{fault}/{_draw_changes(random)}{random.choices(('', '~nfs', '~smb'), (8, 1, 1))[0]}"


def _draw_changes(random: random.Random) -> str:
    """Draw what is changed: the run, the results of a run that has nothing to do, or both."""
    if random.random() < 0.6:
        return random.choice(sorted(CHANGES))
    injury = random.choice(sorted(APPLICABLE))
    changes = [name for name, change in CHANGES.items() if "consolidate" in change.places]
    is_seen = injury != "flipped"  # by other jobs than consolidation
    change = "nothing" if is_seen and random.random() < 0.75 else random.choice(changes)
    return f"{change}+{injury}:{random.choice(APPLICABLE[injury])}"
