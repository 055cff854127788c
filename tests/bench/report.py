"""The rows of a benchmark: printed as a table, written as JSON."""

import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One figure; `against` and `ratio` where it was measured beside a peer."""

    row: str
    value: float
    unit: str
    runs: int
    against: str | None = None
    ratio: float | None = None


def paired(row: str, unit: str, against: str, pairs: list[tuple[float, float]]) -> Row:
    """A row from interleaved runs of (ours, theirs): the median of the ratios, pair by pair."""
    ratio = median(ours / theirs for ours, theirs in pairs)
    return Row(row, round(median(ours for ours, _ in pairs), 1), unit, len(pairs), against, round(ratio, 3))


def machine() -> str:
    """What the figures were taken on."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return f"{os.cpu_count()} × {models[0] if models else platform.machine()}, Linux {platform.release()}"


def publish(name: str, rows: list[Row], folder: Path) -> None:
    """Print the rows and write `folder/NAME.json`."""
    table = Table("row", "value", "unit", "against", "ratio", "runs", title=f"bench {name}: {machine()}")
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        table.add_row(row.row, f"{row.value:,}", row.unit, row.against or "", ratio, str(row.runs))
    Console().print(table)
    folder.mkdir(parents=True, exist_ok=True)
    written = [{key: value for key, value in asdict(row).items() if value is not None} for row in rows]
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"machine": machine(), "rows": written}, indent=1) + "\n")
    Console().print(f"written to {path}")
