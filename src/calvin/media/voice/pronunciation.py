"""Names said right: a list of words and how to write them so that a voice says them well."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path

from calvin.core.errors import UsageError

MAX_BYTES = 1_000_000


def read_pronunciations(path: str | Path) -> dict[str, str]:
    """Read a CSV file of two columns without a header: the word (or words) as written, and as to be said.

    Raises:
        UsageError: no such file, or a row that is not two cells.
    """
    source = Path(path)
    try:
        if not source.is_file():  # a device or pipe may never end
            raise ValueError("no file")
        with open(source, "rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise UsageError(f"{source} is larger than 1 MB, too large for a pronunciation list.")
        rows = list(csv.reader(content.decode("utf-8-sig").splitlines()))
    except (OSError, ValueError, csv.Error) as error:
        raise UsageError(f"The pronunciation list {source} cannot be read: give a CSV file in UTF-8.") from error
    said: dict[str, str] = {}
    for number, row in enumerate(rows, 1):
        cells = [" ".join(cell.split()) for cell in row]
        if not any(cells) or cells[0].startswith("#"):
            continue
        if len(cells) != 2 or not all(cells):
            raise UsageError(f"{source}, line {number}: write the word, a comma, and how to say it.")
        said[cells[0]] = cells[1]
    return said


def pronounced(text: str, said: Mapping[str, str]) -> str:
    """The text as it is to be said: whole words only, the longest match first, "Siobhan's" keeping its "'s"."""
    if not said:
        return text
    words = "|".join(re.escape(word) for word in sorted(said, key=len, reverse=True))
    return re.sub(rf"(?<!\w)(?:{words})(?!\w)", lambda match: said[match[0]], text)
