from __future__ import annotations

from pathlib import Path

import pytest

from calvin.data import read_webvid

FIRST = "videoid,contentUrl,duration,page_dir,name\n4012,https://e.org/4012.mp4,PT11S,000001_000050,{}\n"
SECOND = "videoid,name,page_dir,duration,contentUrl\n4012,{},000001_000050,PT11S,https://e.org/4012.mp4\n"


def webvid(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "webvid.csv"
    path.write_bytes(text.encode("utf-8"))
    return path


@pytest.mark.parametrize("order", [FIRST, SECOND])
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
def test_captions_in_either_order_of_columns(order: str, field: str, caption: str, tmp_path: Path) -> None:
    text = order.format(field) + order.format("The next clip.").split("\n", 1)[1]
    result = read_webvid(webvid(tmp_path, text))
    assert [sample.caption for sample in result.samples] == [caption, "The next clip."]
    assert result.samples[0].media_id == "000001_000050/4012"


def test_a_stray_opening_quote_swallows_no_rows(tmp_path: Path) -> None:
    rows = FIRST.format('"Waves at sunset') + "".join(
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
