"""What every reader guarantees, over rows typed by hand in each format's own schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import webdataset as wds
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calvin.core.errors import DataError, UsageError
from calvin.data import READERS, SourceConfig, read, sources
from calvin.data.sample_table import SampleTable, digest_of
from calvin.data.sources import open_samples

GATE = "He opens the gate."
ROWS: dict[str, str] = {
    "mad_v1": (
        '{"7": {"movie": "0001_A_Film", "sentence": "He opens the gate.", "timestamps": [12.4, 14.9], '
        '"ext_timestamps": [11.4, 15.9], "movie_duration": 5821.2},\n'
        ' "8": {"movie": "0001_A_Film", "sentence": "Zo\\u00eb caf\\u00e9.", "timestamps": [20, 22.5], '
        '"ext_timestamps": [19.0, 23.5], "movie_duration": 5821.2}}\n'
    ),
    "mad_csv": (
        "text,start,end,movie\n"
        "He opens the gate.,12.4,14.9,0001_A_Film\n"
        '"SOMEONE waves, then leaves.",101.52,103.0,0001_A_Film\n'
    ),
    "webvid": (
        "videoid,contentUrl,duration,page_dir,name\n"
        "4012,https://example.org/4012.mp4,PT00H00M11S,000001_000050,He opens the gate.\n"
        '4013,https://example.org/4013.mp4,PT00H00M09S,000001_000050,"Waves at sunset, 4k 1920x1080 25 fps"\n'
    ),
    "cc3m": "He opens the gate.\thttps://example.org/1.jpg\na boat on a lake\thttps://example.org/2.jpg\n",
    "cc12m": "https://example.org/1.jpg\tHe opens the gate.\nhttps://example.org/2.jpg\ta boat on a lake\n",
    "llava": (
        '[{"id": "000", "image": "coco/000.jpg", "conversations": ['
        '{"from": "human", "value": "What is he doing?\\n<image>"}, {"from": "gpt", "value": "He opens the gate."}]},\n'
        ' {"id": "001", "image": "coco/001.jpg", "conversations": ['
        '{"from": "human", "value": "<image>\\nWhere?"}, {"from": "gpt", "value": "On a lake."}]}]\n'
    ),
    "tvc": (
        '{"vid_name": "show_s01e02_seg02_clip_05", "duration": 61.4, "ts": [3.1, 8.0], "clip_id": 12, "descs": '
        '[{"desc": "He opens the gate.", "type": "v", "from_retrieval": false, "desc_id": 90}]}\n'
        '{"vid_name": "show_s01e02_seg02_clip_05", "duration": 61.4, "ts": [9.0, 12.5], "clip_id": 13, "descs": '
        '[{"desc": "Ann shuts the door.", "type": "v", "from_retrieval": true, "desc_id": 91}]}\n'
    ),
    "lsmdc": (
        "0001_A_Film_00.00.12.400-00.00.14.900\t00.00.12.400\t00.00.14.900\t00.00.11.900\t00.00.15.400\t"
        "He opens the gate.\n"
        "0001_A_Film_00.01.41.520-00.01.43.000\t00.01.41.520\t00.01.43.000\t00.01.41.000\t00.01.43.500\t"
        "SOMEONE waves, then leaves.\n"
    ),
    "cmd_ad": (
        "text,start,end,movie,scaled_start,scaled_end,cmd_filename,imdbid,movie_title,cmd_clip_idx\n"
        "He opens the gate.,1812.4,1814.9,A Film,12.4,14.9,2011/abcDEF12345.mp4,tt0000001,A Film,3\n"
        '"Ann waves, then leaves.",1901.52,1903.0,A Film,101.5,103.0,2011/abcDEF12345.mp4,tt0000001,A Film,3\n'
    ),
    "tv_ad": (
        "text,start,end,imdbid,imdbid_pe,season,episode,scaled_end,scaled_start,duration,tvad_name,tvad_index\n"
        'He opens the gate.,312.4,314.9,tt0000002,tt0000003,1,2,14.9,12.4,2.5,show_s01e02_seg02,"[37, 38, 39]"\n'
        'Ann shuts the door.,319,321,tt0000002,tt0000003,1,2,21.5,19.5,2.0,show_s01e02_seg02,"[58, 59]"\n'
    ),
    "webdataset": "000000000\tHe opens the gate.\n000000001\ta boat on a lake\n",  # key and text: see `write`
    "tvr": (
        '{"vid_name": "show_s01e02_seg02_clip_05", "duration": 61.4, "ts": [3.1, 8.0], '
        '"desc": "He opens the gate.", "desc_id": 90, "type": "v"}\n'
        '{"vid_name": "show_s01e02_seg02_clip_05", "duration": 61.4, "ts": [9.0, 12.5], '
        '"desc": "Ann shuts the door.", "desc_id": 91, "type": "t"}\n'
    ),
}
FORMATS = sorted(ROWS)
TEXTS = [format for format in FORMATS if format != "webdataset"]


def write(folder: Path, content: bytes, format: str = "") -> Path:
    """The annotation file; for webdataset a tar written by webdataset itself from lines of key and text."""
    path = folder / "annotations"
    if format == "webdataset":
        with wds.TarWriter(str(path)) as tar:
            for key, text in (line.split(b"\t") for line in content.split(b"\n")[:-1]):
                tar.write({"__key__": key.decode(), "jpg": b"not looked at", "txt": text})
    else:
        path.write_bytes(content)
    return path


def test_every_format_has_rows_here() -> None:
    assert sorted(READERS) == FORMATS


@pytest.mark.parametrize("format", FORMATS)
def test_two_rows_are_read_whole(format: str, tmp_path: Path) -> None:
    result = read(format, write(tmp_path, ROWS[format].encode(), format))
    assert len(result.samples) == 2
    assert result.samples[0].caption == GATE
    assert result.report.read == 2
    assert not result.report.dropped
    assert not result.report.repaired
    for sample in result.samples:
        assert sample.kind == READERS[format].kind
        assert sample.source == format
        assert sample.media_id
        assert sample.caption in sample.references
        assert (sample.span is not None) == (READERS[format].contextual or format in ("tvc", "tvr"))
        assert (sample.movie is not None) == READERS[format].contextual
    assert len({sample.id for sample in result.samples}) == 2


@pytest.mark.parametrize("format", TEXTS)
@pytest.mark.parametrize("form", ["bom", "crlf", "blank_lines", "no_last_newline", "all"])
def test_the_file_s_form_changes_nothing(format: str, form: str, tmp_path: Path) -> None:
    plain = ROWS[format].encode()
    expected = read(format, write(tmp_path, plain))
    content = plain
    if form in ("blank_lines", "all"):
        content += b"\n \n\n"
    if form == "no_last_newline":
        content = content.rstrip(b"\n")
    if form in ("crlf", "all"):
        content = content.replace(b"\n", b"\r\n")
    if form in ("bom", "all"):
        content = b"\xef\xbb\xbf" + content
    result = read(format, write(tmp_path, content))
    assert result.samples == expected.samples
    assert result.report == expected.report


@pytest.mark.parametrize("format", FORMATS)
def test_invalid_bytes_are_replaced_and_counted(format: str, tmp_path: Path) -> None:
    content = ROWS[format].encode().replace(b"opens the", b"opens \xff\xfe the", 1)
    result = read(format, write(tmp_path, content, format))
    assert result.samples[0].caption == "He opens \ufffd\ufffd the gate."
    assert result.report.repaired["bytes that are not UTF-8"] == 2
    assert len(result.samples) == 2


@pytest.mark.parametrize("format", FORMATS)
def test_an_index_holds_the_samples_and_the_report_that_reading_gives(
    format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = ROWS[format].encode().replace(b"opens the", b"opens \xff the 3rd", 1)
    if format not in ("mad_v1", "llava"):
        content += content[content.index(b"\n") + 1 :]  # ids that come twice
        content += b"a row that is no row\n" if format != "webdataset" else b"odd\t \n"
    path = write(tmp_path, content, format)
    for changes in ({}, {"clean": False}, {"limit": 1}):
        config = SourceConfig(name="it", format=format, annotations=path, features=path, **changes)
        monkeypatch.setattr(sources, "INDEXED_FROM", 2**26)
        listed = open_samples(config)
        monkeypatch.setattr(sources, "INDEXED_FROM", 0)
        made, kept = open_samples(config), open_samples(config)
        assert isinstance(kept.samples, SampleTable)
        assert list(made.samples) == list(kept.samples) == listed.samples
        assert made.report == kept.report == listed.report
        assert made.films == kept.films == listed.films
        assert digest_of(kept.samples) == digest_of(listed.samples)


@pytest.mark.parametrize("format", ["cc3m", "cc12m"])
def test_file_names_that_come_twice_are_dropped_by_their_second_row(format: str, tmp_path: Path) -> None:
    names = ["a", "b", "a", "c", "b", "a"]
    rows = [[f"w{number}", f"https://example.org/{number}/{name}.jpg"] for number, name in enumerate(names)]
    text = "".join("\t".join(row if format == "cc3m" else row[::-1]) + "\n" for row in rows)
    result = read(format, write(tmp_path, text.encode()), ids="url")
    assert [(sample.id, sample.caption) for sample in result.samples] == [("a", "w0"), ("b", "w1"), ("c", "w3")]
    assert result.report.dropped == {"another row has the same file name": 3}
    assert result.report.examples["another row has the same file name"][0] == "https://example.org/2/a.jpg"
    assert result.report.read == 6


@pytest.mark.parametrize("format", FORMATS)
def test_line_separators_inside_captions_do_not_split_rows(format: str, tmp_path: Path) -> None:
    content = ROWS[format].replace("opens the", "opens\u2028 \u00a0the", 1).encode()
    result = read(format, write(tmp_path, content, format))
    assert result.samples[0].caption == GATE
    assert len(result.samples) == 2


@pytest.mark.parametrize("format", FORMATS)
def test_blank_captions_are_dropped_and_counted(format: str, tmp_path: Path) -> None:
    result = read(format, write(tmp_path, ROWS[format].replace(GATE, "  ", 1).encode(), format))
    assert len(result.samples) == 1
    assert result.report.total_dropped == 1
    assert "1 dropped" in result.report.summary()


@pytest.mark.parametrize("format", FORMATS)
def test_a_missing_file_is_one_sentence(format: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read(format, tmp_path / "absent")


@pytest.mark.parametrize("format", FORMATS)
def test_a_folder_is_one_sentence(format: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read(format, tmp_path)


@pytest.mark.parametrize("format", ["mad_v1", "llava", "tvc", "tvr"])
def test_truncated_json_is_not_taken_for_whole(format: str, tmp_path: Path) -> None:
    text = ROWS[format]
    cut = text[: text.rindex('"')].encode()
    if format in ("mad_v1", "llava"):
        with pytest.raises(DataError, match="not whole JSON"):
            read(format, write(tmp_path, cut))
    else:
        result = read(format, write(tmp_path, cut))
        assert len(result.samples) == 1
        assert result.report.dropped["line is not a JSON object"] == 1


@pytest.mark.parametrize("format", ["mad_csv", "webvid", "cmd_ad", "tv_ad"])
def test_missing_columns_are_named(format: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no column .*; its columns are a, b"):
        read(format, write(tmp_path, b"a,b\n1,2\n"))


@pytest.mark.parametrize("format", FORMATS)
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_never_escapes_as_another_error(format: str, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(write(tmp_path, ROWS[format].encode(), format).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        length = data.draw(st.integers(0, 12))
        content[place : place + length] = data.draw(st.binary(max_size=8) | st.sampled_from([b'"', b",", b"\n", b"\t"]))
        content = content or bytearray(b"x")
    try:
        result = read(format, write(tmp_path, bytes(content)))
    except DataError:
        return
    assert len(result.samples) + result.report.total_dropped >= result.report.read
    for sample in result.samples:
        sample.caption.encode("utf-8")
        assert sample.caption.strip()
        assert "\n" not in sample.caption


@pytest.mark.parametrize("format", ["mad_v1", "llava", "tvc", "tvr"])
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_json_of_any_shape_is_refused_or_counted(format: str, tmp_path: Path, data: st.DataObject) -> None:
    scalar = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    keys = st.sampled_from(
        ["movie", "sentence", "timestamps", "image", "id", "conversations", "from", "value", "ts", "descs", "vid_name"]
    )
    shapes = st.recursive(scalar, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4))
    value = data.draw(shapes)
    try:
        result = read(format, write(tmp_path, json.dumps(value).encode()))
    except DataError:
        return
    assert all(sample.caption.strip() for sample in result.samples)


def test_unknown_formats_are_named_with_the_known() -> None:
    with pytest.raises(UsageError, match="mad_v1"):
        read("nonsense", "x")
