from __future__ import annotations

from pathlib import Path

from calvin.core.time import Span
from calvin.data import read_tvc, read_tvr

MOMENT = (
    '{"vid_name": "show_s01e02_seg02_clip_05", "duration": 61.4, "ts": [3.1, 8.0], "clip_id": 12, "descs": ['
    '{"desc": "Ann shuts the door.", "type": "v", "from_retrieval": false, "desc_id": 90}, '
    '{"desc": "Ann leaves, annoyed.", "type": "vt", "from_retrieval": true, "desc_id": 91}, '
    '{"desc": "", "type": "t", "desc_id": 92}]}\n'
)
TEST_ROW = '{"vid_name": "show_s01e02_seg02_clip_05", "duration": 61.4, "ts": [3.1, 8.0], "clip_id": 13}\n'


def jsonl(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "tvc.jsonl"
    path.write_text(text)
    return path


def test_all_descriptions_of_a_moment_are_its_references(tmp_path: Path) -> None:
    (sample,) = read_tvc(jsonl(tmp_path, MOMENT)).samples
    assert sample.caption == "Ann shuts the door."
    assert sample.references == ("Ann shuts the door.", "Ann leaves, annoyed.")
    assert sample.span == Span(3100, 8000)
    assert sample.media_id == "show_s01e02_seg02_clip_05"
    assert sample.movie is None
    assert sample.context == ()


def test_the_test_split_is_all_dropped(tmp_path: Path) -> None:
    result = read_tvc(jsonl(tmp_path, TEST_ROW * 3))
    assert not result.samples
    assert result.report.dropped["no caption"] == 3


def test_odd_lines_are_dropped_and_the_rest_kept(tmp_path: Path) -> None:
    text = MOMENT + "{broken\n[1, 2]\n" + MOMENT.replace("[3.1, 8.0]", "[3.1]") + MOMENT.replace("vid_name", "name")
    result = read_tvc(jsonl(tmp_path, text))
    assert len(result.samples) == 1
    assert result.report.read == 5
    assert result.report.dropped == {
        "line is not a JSON object": 2,
        "time is not a number": 1,
        "no vid_name": 1,
    }


def test_tvr_has_one_description_a_line(tmp_path: Path) -> None:
    line = '{"vid_name": "v", "duration": 61.4, "ts": [3.1, 8.0], "desc": "Ann runs.", "desc_id": 7, "type": "v"}\n'
    samples = read_tvr(jsonl(tmp_path, line + line.replace("7", "8").replace("runs", "sits"))).samples
    assert [(sample.caption, sample.references) for sample in samples] == [
        ("Ann runs.", ("Ann runs.",)),
        ("Ann sits.", ("Ann sits.",)),
    ]
