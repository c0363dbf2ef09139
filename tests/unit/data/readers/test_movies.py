from __future__ import annotations

from pathlib import Path

from calvin.core.time import Span
from calvin.data import DropReport, read_mad_csv, read_mad_v1, read_tvc, read_tvr
from calvin.data.readers.movies import read_span

NAMED = (
    "movie,sentence,movie_duration,start,end,imdb,lsmdc_filename,start_hms,end_hms\n"
    "0001_A_Film,He opens the gate.,5821.2,12.4,14.9,tt0000001,0001_A_Film_00.00.12.400,00:00:12.400,00:00:14.900\n"
    '0001_A_Film,"SOMEONE waves, then leaves.",5821.2,101.52,103.0,tt0000001,x,00:01:41.520,00:01:43.000\n'
)


def csv_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mad.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_evaluation_split_s_columns(tmp_path: Path) -> None:
    samples = read_mad_csv(csv_file(tmp_path, NAMED)).samples
    assert [sample.caption for sample in samples] == ["He opens the gate.", "SOMEONE waves, then leaves."]
    assert samples[0].span == Span(12400, 14900)
    assert samples[1].span == Span(101520, 103000)
    assert samples[0].movie == samples[0].media_id == "0001_A_Film"


def test_columns_are_found_by_name_not_by_place(tmp_path: Path) -> None:
    text = "movie,end,text,start\n0001_A_Film,14.9,He opens the gate.,12.4\n"
    (sample,) = read_mad_csv(csv_file(tmp_path, text)).samples
    assert (sample.caption, sample.span) == ("He opens the gate.", Span(12400, 14900))


def test_negative_times_are_clamped_or_dropped(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "text,start,end,movie\nA door.,-1.5,2.0,a\nA hat.,-3,-1,a\nA cup.,4,5,a\n")
    clamped = read_mad_csv(path)
    assert [sample.span for sample in clamped.samples] == [Span(0, 2000), Span(4000, 5000)]
    assert clamped.report.repaired["negative time, clamped"] == 1
    assert clamped.report.dropped == {"negative time": 1}
    dropped = read_mad_csv(path, negative="drop")
    assert [sample.caption for sample in dropped.samples] == ["A cup."]
    assert dropped.report.dropped == {"negative time": 2}


def test_rows_out_of_order_are_sorted_within_their_movie(tmp_path: Path) -> None:
    text = "text,start,end,movie\nthird,9,10,b\nfirst,1,2,a\nsecond,5,6,b\nfourth,0,1,b\n"
    result = read_mad_csv(csv_file(tmp_path, text))
    assert [(s.movie, s.caption) for s in result.samples] == [
        ("b", "fourth"),
        ("b", "second"),
        ("b", "third"),
        ("a", "first"),
    ]
    assert result.report.repaired["out of time order, sorted"] == 2
    assert len({sample.id for sample in result.samples}) == 4


def test_impossible_rows_are_dropped_with_their_reason(tmp_path: Path) -> None:
    text = (
        "text,start,end,movie\nbackwards,9,3,a\nno time,x,3,a\nnot finite,inf,nan,a\nno movie,1,2,\n"
        "too,many,columns,1,2\nfar,1e306,1e307,a\ngood,1,1,a\n"
    )
    result = read_mad_csv(csv_file(tmp_path, text))
    assert [sample.caption for sample in result.samples] == ["good"]
    assert result.report.dropped == {
        "ends before it starts": 1,
        "time is not a number": 3,
        "no movie": 1,
        "row does not have the header's 4 columns": 1,
    }
    assert result.report.examples["ends before it starts"][0].endswith("backwards")


def test_v1_rows_without_timestamps_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "mad.json"
    path.write_text('{"1": {"movie": "a", "sentence": "A door."}, "2": 5, "3": {"timestamps": [1, 2]}}')
    result = read_mad_v1(path)
    assert not result.samples
    assert result.report.dropped == {"no timestamps": 2, "no caption": 1}


def test_numbers_that_json_allows_and_floats_do_not() -> None:
    report = DropReport()
    assert read_span([10**400, 1], report, "shown") is None
    assert read_span([True, None], report, "shown") is None
    assert report.dropped["time is not a number"] == 2


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
