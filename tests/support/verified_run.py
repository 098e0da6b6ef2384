"""A finished run whose provenance is forged, so that its volumes come out otherwise."""

import csv
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path


def forge(folder: Path, change: Callable[[dict[str, str]], object]) -> None:
    """Change rows of volumes.csv, and make the crate's digest fit."""
    table = folder / "provenance" / "volumes.csv"
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    for row in rows:
        change(row)
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    metadata = folder / "ro-crate-metadata.json"
    described = json.loads(metadata.read_text())
    entity = next(entity for entity in described["@graph"] if entity["@id"] == "provenance/volumes.csv")
    entity["sha256"] = hashlib.sha256(table.read_bytes()).hexdigest()
    metadata.write_text(json.dumps(described))


def with_settings(**changed: object) -> Callable[[dict[str, str]], object]:
    return lambda row: row.update(settings=json.dumps({**json.loads(row["settings"]), **changed}))
