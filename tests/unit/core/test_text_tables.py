"""Cells of tables that spreadsheets would change are guarded, and come back as they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calvin.core.text_tables import from_sheet, guarded, sheet_text


@given(st.text() | st.from_regex(r"'{0,2}[-=+]?\d{1,3}[.:,/ %]\d{0,3}", fullmatch=True))
def test_what_is_guarded_comes_back(text: str) -> None:
    assert from_sheet(guarded(sheet_text(text))) == text


@pytest.mark.parametrize(
    "text", ["12:30", "May 1945", "5. Mai 2020", "3.10", "007", "1/2", "-5", "10 %", "wahr", "9 am"]
)
def test_what_spreadsheets_take_for_something_else_is_guarded(text: str) -> None:
    assert sheet_text(text) == f"'{text}"


@pytest.mark.parametrize("text", ["Rain.", "Chapter 2", "May I?", "A 12:30 train.", "Room 237: closed", "True love."])
def test_other_texts_stay(text: str) -> None:
    assert sheet_text(text) == text
