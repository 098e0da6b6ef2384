"""The shipped jobqueue.yaml with one line more, by which each volume takes a worker some seconds, and no core."""

from pathlib import Path

SLOW = Path(__file__).parent / "slow_worker"
SHIPPED = Path(__file__).parents[2] / "profiles" / "slurm" / "jobqueue.yaml"


def write_slow_jobqueue(path: Path, seconds: float) -> None:
    """Write the file."""
    line = f'job-script-prologue: ["export PYTHONPATH={SLOW} SLOW_WORKER_SECONDS={seconds}"]'
    text = SHIPPED.read_text()
    slow = text.replace("job-script-prologue: []", line)
    assert slow != text
    path.write_text(slow)
