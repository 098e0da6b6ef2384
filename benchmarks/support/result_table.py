"""What the benchmarks measured, in benchmarks/results/."""

from collections.abc import Iterable
from pathlib import Path


def write_result(name: str, lines: Iterable[str]) -> None:
    """Print the lines of a result, and write them into results/NAME.md."""
    text = "\n".join(lines)
    path = Path(__file__).parents[1] / "results" / f"{name}.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text + "\n")
    print(text)
