"""AutoAD-Zero's CSV of faces, read and written."""

from __future__ import annotations

from pathlib import Path

import pytest

from calvin.core.errors import DataError
from calvin.core.time import Span
from calvin.data.face_csv import FaceRow, read_face_csv, write_face_csv
from calvin.data.sources import read_entities

TVAD = """\
text,start,end,imdbid,imdbid_pe,season,episode,scaled_end,scaled_start,duration,tvad_name,tvad_index,bboxes,pred_ids
Somebody waves.,240.25,242.112,tt01,tt02,1,1,242.181,240.181,2.0,a_clip,"[9, 10]",\
"[[[372, 214, 437, 260], [187, 104, 226, 163]], [[372, 214, 437, 260]]]","{'nm1': [(0, 1)], 'nm2': [(0, 0), (1, 0)]}"
"Nobody, here.",250.0,251.5,tt01,tt02,1,1,251.5,250.0,1.5,a_clip,"[11]","[[], []]",{}
"""


def test_the_form_of_autoad_zero_is_read(tmp_path: Path) -> None:
    path = tmp_path / "faces.csv"
    path.write_text(TVAD)
    first, second = read_face_csv(path)
    assert (first.movie, first.span, first.text) == ("tt02", Span(240_250, 242_112), "Somebody waves.")
    assert first.boxes[0] == ((372, 214, 437, 260), (187, 104, 226, 163))
    assert first.people == {"nm1": ((0, 1),), "nm2": ((0, 0), (1, 0))}
    assert (second.text, second.boxes, second.people) == ("Nobody, here.", ((), ()), {})
    assert read_entities(path) == {("tt02", first.span): ("nm2", "nm1"), ("tt02", second.span): ()}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    rows = [
        FaceRow("A Film", Span(1_234_567, 1_240_000), '"No".\n', (((0, 1, 2, 3),), ()), {"Ann O'Neil": ((0, 0),)}),
        FaceRow("A Film", Span(2_000_000, 2_001_000), "", (), {}),
    ]  # fmt: skip
    write_face_csv(tmp_path / "out.csv", rows)
    assert read_face_csv(tmp_path / "out.csv") == rows


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("pred_ids\n", "people\n", "lacks the column pred_ids"),
        ("'nm1': [(0, 1)]", "'nm1': [(0, 2)]", "line 2: .*a face that is not in bboxes"),
        ("'nm1': [(0, 1)]", "'nm1': __import__('os')", "line 2"),
        ("[[], []]", "[[], ", "line 3"),
        ("240.25", "soon", "line 2"),
    ],
)
def test_what_is_not_such_a_file_is_refused(old: str, new: str, told: str, tmp_path: Path) -> None:
    assert old in TVAD
    (tmp_path / "faces.csv").write_text(TVAD.replace(old, new, 1))
    with pytest.raises(DataError, match=told):
        read_face_csv(tmp_path / "faces.csv")
