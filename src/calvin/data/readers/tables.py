"""CSV tables with a header: rows as dicts by column name."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from calvin.core.errors import DataError
from calvin.data.readers.text import Delimited
from calvin.data.types import DropReport


def read_table(path: str | Path, needed: Collection[Collection[str]], report: DropReport) -> Iterator[dict[str, str]]:
    """Rows of a CSV file by column name, the names lower-cased.

    Args:
        needed: for each thing needed, the names its column may have.

    Raises:
        DataError: the file is empty, or a column is missing.
    """
    rows = Delimited(path, ",", report).rows()
    header = [name.strip().lower() for name in next(rows, [])]
    missing = ["/".join(names) for names in needed if not set(names) & set(header)]
    if missing:
        raise DataError(f"{path} has no column {', '.join(missing)}; its columns are {', '.join(header) or 'none'}.")
    for row in rows:
        report.read += 1
        if len(row) != len(header):
            report.drop(f"row does not have the header's {len(header)} columns", ",".join(row))
            continue
        yield dict(zip(header, row, strict=True))
