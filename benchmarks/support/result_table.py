"""What the benchmarks measured, in benchmarks/results/."""

from collections.abc import Iterable
from pathlib import Path


def write_result(name: str, lines: Iterable[str], *, is_whole: bool = True) -> None:
    """Print the lines of a result, and write them into results/NAME.md, unless only a part of it was measured."""
    text = "\n".join(lines)
    if is_whole:
        path = Path(__file__).parents[1] / "results" / f"{name}.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text + "\n")
    print(text)
