"""Every known defect of the real files, planted by hand in each format, is reported by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import webdataset as wds

from calvin.core.errors import DataError
from calvin.core.time import Span
from calvin.data import FilmName, MemoryFeatures, read
from calvin.data.readers.registry import resolve_format
from calvin.data.readers.shards import CUT_SHORT, iter_shard
from calvin.data.samples import DropReport

LSMDC = (
    b"\xef\xbb\xbf"
    b"0001_A_Film_00.00.12.400-00.00.14.900\t00.00.12.400\t00.00.14.900\t00.00.11.900\t00.00.15.400\tHe opens.\r\n"
    b"0001_A_Film_00.00.12.400-00.00.14.900\t00.00.12.400\t00.00.14.900\t00.00.11.900\t00.00.15.400\tHe opens.\r\n"
    b"0001_A_Film_00.00.10.000-00.00.11.000\t00.00.10.000\t00.00.11.000\t00.00.09.500\t00.00.11.500\tCaf\xe9.\r\n"
    b'0001_A_Film_00.00.20.000-00.00.21.000\t-00.00.00.500\t00.00.21.000\t00.00.19.000\t00.00.22.000\tA "quote\r\n'
    b"0001_A_Film_00.00.30.000-00.00.29.000\t00.00.30.000\t00.00.29.000\t00.00.30.000\t00.00.29.000\tBackwards.\r\n"
    b"0001_A_Film_00.00.40.000-00.00.41.000\t00:00:40\t00.00.41.000\t00.00.40.000\t00.00.41.000\tOdd time.\r\n"
    b"no_times_here\t00.00.40.000\t00.00.41.000\t00.00.40.000\t00.00.41.000\tNo times.\r\n"
    b"0001_A_Film_00.00.50.000-00.00.51.000\t00.00.50.000\t00.00.51.000\t00.00.50.000\t00.00.51.000\t \r\n"
    b"0001_A_Film_00.00.52.000-00.00.53.000\t00.00.52.000\r\n\r\n"
)


def write(folder: Path, content: bytes) -> Path:
    path = folder / "annotations"
    path.write_bytes(content)
    return path


def test_lsmdc(tmp_path: Path) -> None:
    result = read("lsmdc", write(tmp_path, LSMDC))
    assert [sample.caption for sample in result.samples] == ['A "quote', "Caf\ufffd.", "He opens.", "He opens."]
    assert result.samples[2].span == Span(12_400, 14_900)
    assert result.report.dropped == {
        "ends before it starts": 1,
        "time is not a number": 1,
        "clip id does not end in its times": 1,
        "no caption": 1,
        "row does not have 6 columns": 1,
    }
    assert result.report.repaired == {
        "bytes that are not UTF-8": 1,
        "negative time, clamped": 1,
        "out of time order, sorted": 2,
    }
    assert result.report.noted == {"duplicate row": 1}
    assert result.films == {"0001_A_Film": FilmName("", "A Film")}
    assert result.report.bad == 5


@pytest.mark.parametrize(
    ("format", "header", "row"),
    [
        (
            "cmd_ad",
            "text,start,end,movie,scaled_start,scaled_end,cmd_filename,imdbid,movie_title,cmd_clip_idx",
            "{text},900,902,A Film,{start},{end},2011/{clip}.mkv,tt0000001,A Film,3",
        ),
    ],
)
def test_cmd_ad_counts_in_the_clip(format: str, header: str, row: str, tmp_path: Path) -> None:
    rows = [
        row.format(text='"SOMEONE waits, ""still"""', start=5.0, end=7.5, clip="b"),
        row.format(text="Later.", start=9, end=10, clip="a"),
        row.format(text="Earlier.", start=-1, end=2, clip="a"),
        row.format(text="No time.", start="", end="", clip="a"),
        row.format(text="Backwards.", start=3, end=2, clip="a"),
        row.format(text="", start=3, end=4, clip="a"),
        "short,row",
    ]
    result = read(format, write(tmp_path, "\r\n".join([header, *rows, ""]).encode()))
    assert [(sample.media_id, sample.caption, sample.movie) for sample in result.samples] == [
        ("2011/b", 'SOMEONE waits, "still"', "2011/b"),
        ("2011/a", "Earlier.", "2011/a"),
        ("2011/a", "Later.", "2011/a"),
    ]
    assert result.samples[0].span == Span(5000, 7500)
    assert result.report.total_dropped == 4
    assert result.report.dropped["time is not a number"] == result.report.dropped["no caption"] == 1
    assert result.report.repaired["negative time, clamped"] == 1
    assert result.films["2011/a"].imdb == "tt0000001"


TV_AD = "text,start,end,imdbid,imdbid_pe,season,episode,scaled_end,scaled_start,duration,tvad_name,tvad_index\n"


def test_tv_ad_goes_by_the_stills_of_the_clip(tmp_path: Path) -> None:
    """The times count in the episode. TVQA numbers its stills, three a second, from 1."""
    rows = [
        'Later.,903,905,tt9,tt1,1,2,905,903,2,clip_a,"[9, 9, 10, 11]"\n',
        'Earlier.,900,902,tt9,tt1,1,2,902,900,2,clip_a,"[1, 1, 2]"\n',
        "None listed.,906,908,tt9,tt1,1,2,908,906,2,clip_a,[]\n",
        "Not stills.,909,911,tt9,tt1,1,2,911,909,2,clip_a,\"['x', 3]\"\n",
        'From 0.,909,911,tt9,,1,2,911,909,2,clip_b,"[0, 1]"\n',
        ',909,911,tt9,tt1,1,2,911,909,2,clip_a,"[1, 2]"\n',
    ]
    result = read("tv_ad", write(tmp_path, (TV_AD + "".join(rows)).encode()))
    numbers = np.arange(1, 13, dtype=np.float32)[:, None]
    features = MemoryFeatures({"clip_a": numbers, "clip_b": numbers}, fps=3)
    stills = [features.scene(sample.media_id, sample.span)[:, 0].tolist() for sample in result.samples]
    assert [sample.caption for sample in result.samples] == ["Earlier.", "Later.", "From 0."]
    assert stills == [[1, 2], [9, 10, 11], [1]]
    assert result.samples[0].movie == "clip_a"
    assert result.films["clip_a"].imdb == "tt1"
    assert result.films["clip_b"].imdb == "tt9"
    assert result.report.dropped == {"time is not a number": 2, "no caption": 1}


def test_bytes_that_are_not_utf8_in_ids_and_examples_can_be_printed(tmp_path: Path) -> None:
    rows = b"videoid,contentUrl,duration,page_dir,name\n1\xff,,PT1S,p,a boat\n2\xff,,PT1S,p,\n,,PT1S,p\xff,a car\n"
    result = read("webvid", write(tmp_path, rows))
    assert [sample.media_id for sample in result.samples] == ["p/1\ufffd"]
    result.report.summary().encode()
    llava = rb'[{"id": "\ud800", "image": "a\ud800.jpg", "conversations": [{"from": "human", "value": "<image>?"},'
    llava += rb' {"from": "gpt", "value": "A boat."}]}, {"id": "\ud801"}]'
    result = read("llava", write(tmp_path, llava))
    assert (result.samples[0].id, result.samples[0].media_id) == ("0-\ufffd/0", "a\ufffd")
    result.report.summary().encode()


def test_a_json_key_given_twice_is_said(tmp_path: Path) -> None:
    row = '{"movie": "m", "sentence": "%s", "timestamps": [1, 2], "ext_timestamps": [0, 3], "movie_duration": 9}'
    result = read("mad_v1", write(tmp_path, ('{"7": ' + row % "One." + ', "7": ' + row % "Two." + "}").encode()))
    assert [sample.caption for sample in result.samples] == ["Two."]
    assert result.report.repaired == {"duplicate id, the last is taken": 1}


def test_duplicates_of_other_formats_are_noted(tmp_path: Path) -> None:
    webvid = b"name,page_dir,duration,contentUrl,videoid\na,p,PT1S,https://x/1.mp4,1\nb,p,PT1S,https://x/1.mp4,1\n"
    assert read("webvid", write(tmp_path, webvid)).report.noted == {
        "duplicate id": 1,
        "reference without a checksum": 2,
    }
    summed = b"name,page_dir,contentUrl,videoid,sha256\na,p,https://x/1.mp4,1,00ff\nb,p,,2,\n"
    assert not read("webvid", write(tmp_path, summed)).report.noted
    line = b'{"vid_name": "v", "ts": [0, 1], "clip_id": 3, "descs": [{"desc": "a"}]}\n'
    assert read("tvc", write(tmp_path, line * 3)).report.noted == {"duplicate id": 2}
    turns = '[{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]'
    row = f'{{"id": "1", "image": "a.jpg", "conversations": {turns}}}'
    assert read("llava", write(tmp_path, f"[{row}, {row}]".encode())).report.noted == {"duplicate id": 1}
    assert read("cc3m", write(tmp_path, b"a\thttps://x/1\n")).report.noted == {"reference without a checksum": 1}


def tar(path: Path, *samples: dict[str, object]) -> Path:
    with wds.TarWriter(str(path)) as writer:
        for number, sample in enumerate(samples):
            writer.write({"__key__": f"{number:04d}", **sample})
    return path


def test_webdataset(tmp_path: Path) -> None:
    good = {"jpg": b"x", "txt": "a boat", "json": b'{"url": "https://x/1", "sha256": "00"}'}
    tar(
        tmp_path / "0.tar",
        good,
        {"mp4": b"x", "json": b'{"caption": "waves", "url": "https://x/2"}'},
        {"jpg": b"x", "txt": b"caf\xe9"},
        {"txt": "no picture"},
        {"jpg": b"x", "txt": " "},
        {"jpg": b"x", "json": b"{broken"},
        {"jpg": b"x", "json": b"[1]"},
    )
    (tmp_path / "1.tar").write_bytes(b"not a tar")
    result = read("webdataset", tmp_path)
    assert [(s.id, s.kind, s.caption) for s in result.samples] == [
        ("0/0000", "image", "a boat"),
        ("0/0001", "video", "waves"),
        ("0/0002", "image", "caf\ufffd"),
    ]
    assert result.report.dropped == {
        "no image, clip or vectors": 1,
        "no caption": 1,
        "text or JSON that cannot be read": 2,
        "shard that is not a tar": 1,
    }
    assert result.report.noted == {"reference without a checksum": 1}
    with pytest.raises(DataError, match="not a tar file"):
        read("webdataset", tmp_path / "1.tar")


def test_a_shard_cut_anywhere_is_never_taken_for_whole(tmp_path: Path) -> None:
    samples = [{"jpg": b"x" * 700, "txt": f"caption {i}"} for i in range(3)]
    whole = tar(tmp_path / "whole.tar", *samples).read_bytes()
    report = DropReport()
    assert len(list(iter_shard(tmp_path / "whole.tar", report))) == 3
    assert not report.dropped
    end = whole.rstrip(b"\0")
    for length in range(2048, len(end), 211):  # the first header is whole
        (tmp_path / "cut.tar").write_bytes(whole[:length])
        report = DropReport()
        found = list(iter_shard(tmp_path / "cut.tar", report))
        assert report.dropped == {CUT_SHORT: 1}, length
        assert len(found) < 3 or length > len(end) - 1024
        for item in found:
            assert len(item.read("jpg")) == 700


def test_a_shard_damaged_in_the_middle_is_said(tmp_path: Path) -> None:
    content = bytearray(tar(tmp_path / "a.tar", *[{"jpg": b"x", "txt": "t"}] * 3).read_bytes())
    content[2048:2560] = b"\x07" * 512
    (tmp_path / "a.tar").write_bytes(bytes(content))
    assert read("webdataset", tmp_path / "a.tar").report.dropped[CUT_SHORT] == 1


def test_formats_go_by_the_names_people_write(tmp_path: Path) -> None:
    assert resolve_format("mad", write(tmp_path, b'\xef\xbb\xbf \n{"1": {}}')) == "mad_v1"
    assert resolve_format("mad", write(tmp_path, b"text,start,end,movie\n")) == "mad_csv"
    assert resolve_format("CMD-AD", tmp_path) == "cmd_ad"
