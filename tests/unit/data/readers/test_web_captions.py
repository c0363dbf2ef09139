from __future__ import annotations

from pathlib import Path

import pytest

from calvin.data import read_cc3m, read_cc12m, read_webvid


def tsv(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "cc.tsv"
    path.write_bytes(text.encode("utf-8"))
    return path


def test_features_are_named_by_row_or_by_url(tmp_path: Path) -> None:
    path = tsv(tmp_path, "a boat\thttps://e.org/x/one.jpg?w=3\n\nbad row\na tree\thttps://e.org/y/two.jpeg\n")
    assert [sample.media_id for sample in read_cc3m(path).samples] == ["000000000", "000000002"]
    assert [sample.media_id for sample in read_cc3m(path, ids="url").samples] == ["one", "two"]


def test_two_urls_with_one_file_name_are_told_apart_by_dropping(tmp_path: Path) -> None:
    path = tsv(tmp_path, "a boat\thttps://e.org/a/image.jpg\na tree\thttps://e.org/b/image.jpg\n")
    result = read_cc3m(path, ids="url")
    assert [sample.caption for sample in result.samples] == ["a boat"]
    assert result.report.dropped["another row has the same file name"] == 1
    assert len(read_cc3m(path).samples) == 2


def test_the_url_is_told_by_its_form(tmp_path: Path) -> None:
    path = tsv(tmp_path, "a boat\thttps://e.org/1.jpg\n")
    assert read_cc12m(path).samples[0].caption == "a boat"
    swapped = tsv(tmp_path, "https://e.org/1.jpg\ta boat\n")
    assert read_cc3m(swapped).samples[0].caption == "a boat"
    both = tsv(tmp_path, "https://e.org/watermark\thttps://e.org/1.jpg\n")
    assert read_cc3m(both).samples[0].caption == "https://e.org/watermark"


def test_a_header_is_passed_over(tmp_path: Path) -> None:
    path = tsv(tmp_path, "caption\turl\na boat\thttps://e.org/1.jpg\n")
    result = read_cc3m(path)
    assert [(sample.caption, sample.media_id) for sample in result.samples] == [("a boat", "000000000")]
    assert result.report.read == 1


def test_quotes_belong_to_captions_unless_they_wrap_a_field(tmp_path: Path) -> None:
    url = "\thttps://e.org/1.jpg\n"
    path = tsv(
        tmp_path,
        f'" the best is yet to come " quote{url}'
        f'"a boat{url}'
        f'"a ""red"" boat, moored"{url}'
        f'"a boat\non a lake"{url}'
        f"plain{url}",
    )
    assert [sample.caption for sample in read_cc3m(path).samples] == [
        '" the best is yet to come " quote',
        '"a boat',
        'a "red" boat, moored',
        "a boat on a lake",
        "plain",
    ]


def test_rows_without_a_url_are_dropped(tmp_path: Path) -> None:
    result = read_cc3m(tsv(tmp_path, "a boat\tnot a url\na tree\t\n"))
    assert not result.samples
    assert result.report.dropped["no URL"] == 2


WEBVID = "videoid,contentUrl,duration,page_dir,name\n4012,https://e.org/4012.mp4,PT11S,000001_000050,{}\n"
WEBVID_REORDERED = "videoid,name,page_dir,duration,contentUrl\n4012,{},000001_000050,PT11S,https://e.org/4012.mp4\n"


def webvid(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "webvid.csv"
    path.write_bytes(text.encode("utf-8"))
    return path


@pytest.mark.parametrize("order", [WEBVID, WEBVID_REORDERED])
@pytest.mark.parametrize(
    ("field", "caption"),
    [
        ("Waves at sunset", "Waves at sunset"),
        ('"Waves, boats, and gulls"', "Waves, boats, and gulls"),
        ('"Waves\nat sunset, 4k"', "Waves at sunset, 4k"),
        ('"Waves\r\n\r\nat ""sunset"", 4k"', 'Waves at "sunset", 4k'),
        ('"He said "hi" loudly"', 'He said "hi" loudly'),
        ('A 5" nail', 'A 5" nail'),
        ('"Waves at sunset', '"Waves at sunset'),
        ('Waves" at sunset', 'Waves" at sunset'),
        ('"""Waves"" at sunset"', '"Waves" at sunset'),
        ("Caf\u00e9 in Z\u00fcrich", "Caf\u00e9 in Z\u00fcrich"),
    ],
)
def test_webvid_captions_in_either_order_of_columns(order: str, field: str, caption: str, tmp_path: Path) -> None:
    text = order.format(field) + order.format("The next clip.").split("\n", 1)[1]
    result = read_webvid(webvid(tmp_path, text))
    assert [sample.caption for sample in result.samples] == [caption, "The next clip."]
    assert result.samples[0].media_id == "000001_000050/4012"


def test_a_stray_opening_quote_swallows_no_rows(tmp_path: Path) -> None:
    rows = WEBVID.format('"Waves at sunset') + "".join(
        f'{n},https://e.org/{n}.mp4,PT11S,p,Clip {n} "here"\n' for n in range(80)
    )
    result = read_webvid(webvid(tmp_path, rows))
    assert len(result.samples) == 81
    assert result.samples[0].caption == '"Waves at sunset'
    assert result.report.repaired["stray quote"] == 1


def test_rows_without_an_id_are_dropped(tmp_path: Path) -> None:
    result = read_webvid(webvid(tmp_path, "videoid,page_dir,name\n,p,A\n1,,B\n2,p,C\n3,p\n"))
    assert [sample.caption for sample in result.samples] == ["C"]
    assert result.report.dropped["no videoid or page_dir"] == 2
    assert result.report.total_dropped == 3
