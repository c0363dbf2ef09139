from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calvin.data import DropReport
from calvin.data.readers.text_files import Delimited

FIELD = st.text(st.sampled_from("ab ,\t\n\"'"), max_size=8)
# What the csv module writes is what it reads, but for blank records and lone spaces, which real files use as padding.
TABLE = st.lists(
    st.lists(FIELD, min_size=3, max_size=3).filter(lambda row: "".join(row).strip(' \t\n"')), min_size=1, max_size=5
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=TABLE, delimiter=st.sampled_from(",\t"), end=st.sampled_from(["\n", "\r\n"]))
def test_well_formed_tables_are_read_as_csv_reads_them(
    table: list[list[str]], delimiter: str, end: str, tmp_path: Path
) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator=end).writerows(table)
    path = tmp_path / "table"
    path.write_bytes(buffer.getvalue().encode())
    rows = list(Delimited(path, delimiter, DropReport(), columns=3).rows())
    assert len(rows) >= 1
    if not any("\n" in field and (delimiter in field or '"' in field) for row in table for field in row):
        assert rows == table


@pytest.mark.parametrize("quotes", [1, 2, 5_001, 50_000])
def test_many_quotes_take_linear_time(quotes: int, tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_text("a,b\n" + '"' * quotes + ",x\nlast,row\n")
    rows = list(Delimited(path, ",", DropReport(), columns=2).rows())
    assert rows[-1] == ["last", "row"]
    assert len(rows) == 3
