"""Files of timed text as they are found: their encodings, and SRT and WebVTT in any state."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from calvin.core.errors import SubtitleError
from calvin.media.subtitles import read_subtitles
from calvin.media.timecode import FrameCount
from calvin.media.timed_text import read_cues, read_text, time_ms


def said(text: str, kind: str = "srt") -> list[tuple[int, int, str]]:
    cues, unread = read_cues(text, kind)
    assert not unread
    return [(cue.start_ms, cue.end_ms, " / ".join(cue.text.split("\n"))) for cue in cues]


TWO = [(1000, 2000, "One."), (3000, 4000, "Two.")]


@pytest.mark.parametrize(
    "text",
    [
        "1\n00:00:01,000 --> 00:00:02,000\nOne.\n\n2\n00:00:03,000 --> 00:00:04,000\nTwo.\n",
        "1\n00:00:01,000 --> 00:00:02,000\nOne.\n2\n00:00:03,000 --> 00:00:04,000\nTwo.\n",
        "00:00:01,000 --> 00:00:02,000\nOne.\n00:00:03,000 --> 00:00:04,000\nTwo.\n",
        "1\n\n00:00:01,000 --> 00:00:02,000\n\nOne.\n\n\n2\n\n00:00:03,000 --> 00:00:04,000\n\nTwo.\n",
        "1\n00:00:01 --> 00:00:02\nOne.\n\n2\n00:00:03 --> 00:00:04\nTwo.\n",
        "1\n00:01 --> 00:02\nOne.\n\n2\n00:03.0 --> 00:04.000000\nTwo.\n",
        "1\n0:0:1:000 --> 0:0:2:000\nOne.\n\n2\n00:00:03;000-->00:00:04;000\nTwo.\n",
        "1\n00: 00: 01, 000 --> 00: 00: 02, 000\nOne.\n\n2\n00:00:03.000 -> 00:00:04.000\nTwo.\n",
        "1\n00:00:01,000 --> 00:00:02,000 One.\n2 00:00:03,000 --> 00:00:04,000 Two.",
        "1\n00:00:01,000 --> 00:00:02,000  X1:40 X2:600\nOne.00:00:03,000 --> 00:00:04,000\nTwo.",
        "1\n1 --> 2\nOne.\n\n2\n3 --> 4.0\nTwo.\n",
    ],
)
def test_srt_as_editors_and_people_leave_it(text: str) -> None:
    assert said(text) == TWO


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("\n00:01.000 --> 00:02.000\nOne.\n\n00:03.000 --> 00:04.000\nTwo.", TWO),
        ("\nintro\n00:01.000 --> 00:02.000 align:start position:0%\nOne.\n\nend\n00:03.000 --> 00:04.000\nTwo.", TWO),
        ("\n00:01.000 --> 00:02.000\nOne.\n\nNOTE a remark\n\nSTYLE\n::cue {}\n\n00:03.000 --> 00:04.000\nTwo.", TWO),
        ("\na-1\n00:01.000 --> 00:02.000\nOne.\na-2\n00:03.000 --> 00:04.000\n\nTwo.", TWO),
        ("\n00:01.000 --> 00:02.000\n\nOne.\n00:03.000 --> 00:04.000\n\n\nTwo.", TWO),
        ("\n00:01.000 --> 00:02.000\n1\n\nm.\n\nx\n00:03.000 --> 00:04.000\nTwo.", [(1000, 2000, "1 / m."), TWO[1]]),
        ("\na-1\n00:01.000 --> 00:02.000\n\na-2\n00:03.000 --> 00:04.000\nTwo.", [(1000, 2000, ""), TWO[1]]),
    ],
)  # fmt: skip
def test_webvtt(text: str, wanted: list[tuple[int, int, str]]) -> None:
    assert said(f"WEBVTT\n{text}", "vtt") == wanted


def test_a_text_that_is_a_number_stays() -> None:
    assert said("1\n00:00:01,000 --> 00:00:02,000\n7\n\n2\n00:00:03,000 --> 00:00:04,000\n8\n") == [
        (1000, 2000, "7"), (3000, 4000, "8"),
    ]  # fmt: skip
    assert said("00:00:01,000 --> 00:00:02,000\n7\n00:00:03,000 --> 00:00:04,000\n8\n")[0] == (1000, 2000, "7")


def test_captions_that_roll_keep_every_cue() -> None:
    text = """WEBVTT
Kind: captions

00:00:00.100 --> 00:00:02.000 align:start position:0%
 
so<00:00:00.900><c> we</c><00:00:01.300><c> go</c>

00:00:02.000 --> 00:00:02.010 align:start position:0%
so we go
 
"""  # noqa: W293
    cues, unread = read_cues(text, "vtt")
    assert [(cue.start_ms, cue.end_ms) for cue in cues] == [(100, 2000), (2000, 2010)]
    assert not unread


def test_what_cannot_be_read_is_named_and_its_text_is_nobody_elses() -> None:
    text = "1\n00:00:01 --> 00:00:02\nOne.\n\n2\n00:00:0x --> 00:00:04\nLost.\n\n3\n00:00:75 --> 00:01:20\nToo."
    cues, unread = read_cues(text, "srt")
    assert [cue.text for cue in cues] == ["One."]
    assert [note.partition(":")[0] for note in unread] == ["line 6", "line 10"]
    assert len(cues) + len(unread) == text.count("-->")
    cues, unread = read_cues("1\n00:00:01 --> 00:00:02\nOne.\n2\n00:00:03 --> x00:00:05 --> 00:00:06\nTwo.", "srt")
    assert ([cue.start_ms for cue in cues], len(unread)) == ([1000, 5000], 1)


def test_frames_are_read_by_a_rate() -> None:
    assert time_ms("00:00:01:12", FrameCount.of(25)) == 1480
    assert time_ms("00:00:01:12") is time_ms("00:00:01:25", FrameCount.of(25)) is None
    assert [time_ms(text) for text in ("-00:00:01,500", "75:00", "01:75:00", "1.5", "x")] == [
        -1500, 4_500_000, None, 1500, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "piece", ["<v a", "<v.a", "1:1:1:", "--", "[(", "1\n", "00:01 --> 00:02 a", "{\\a", "<v " + " " * 50]
)
def test_any_repetition_is_read_in_time(tmp_path: Path, piece: str) -> None:
    path = tmp_path / "a.srt"
    path.write_text(f"1\n00:00:01,000 --> 00:00:02,000\n{piece * (400_000 // len(piece))}\n\nHello.")
    start = time.process_time()
    assert read_subtitles(path).lines
    assert time.process_time() - start < 5


LINES = {
    "cp1250": "Žena otevírá dveře.",
    "cp1251": "Женщина открывает дверь.",
    "cp1252": "Où êtes-vous? Ça va, merci.",
    "cp1253": "Η γυναίκα ανοίγει την πόρτα.",
    "cp1254": "Kadın kapıyı açıyor, değil mi?",
    "cp1257": "Ačiū, viskas gerai. Ką tu čia veiki, žmogau? Šiandien jis vėl ateis.",
    "cp932": "女がドアを開ける。",
    "gb18030": "女人打开门。你好吗？我们走吧。我们明天再来。",
    "big5": "女人打開門。你好嗎？我們走吧。",
    "cp949": "여자가 문을 연다. 안녕하세요.",
}


@pytest.mark.parametrize("encoding", LINES)
def test_code_pages_are_guessed_and_the_guess_is_said(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.srt"
    text = f"1\n00:00:01,000 --> 00:00:02,000\n{LINES[encoding]}\n"
    path.write_bytes(text.encode(encoding))
    read = read_text(path)
    assert read.text == text
    assert read.encoding in str(read.doubt)
    assert "--encoding" in str(read.doubt)


@pytest.mark.parametrize(
    "text",
    ["Señor Müller, déjà vu", "Für dich ist es zu spät. Größe zählt.", "Det är så kallt i dag.", "¿Qué pasó? Mañana.",
     "Przyjdź jutro, dziękuję. Źle się czuję.", "Őrült vagy? Még egyszer szeretném látni.", "Je m’appelle Zoë… “vu”"],
)  # fmt: skip
def test_latin_letters_go_by_the_alphabets_of_languages(tmp_path: Path, text: str) -> None:
    page = "cp1250" if any(letter in "źęŐ" for letter in text) else "cp1252"
    path = tmp_path / "a.srt"
    path.write_bytes(f"1\n{text}\n".encode(page))
    assert read_text(path).text == f"1\n{text}\n"


def test_an_encoding_can_be_named_and_xml_names_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes("Žluťoučký kůň".encode("iso8859_2"))
    assert read_text(path, encoding="iso8859-2")[:2] == ("Žluťoučký kůň", "iso8859-2")
    for name in ("klingon", "ascii", "rot13"):
        with pytest.raises(SubtitleError, match=f"cannot be read as {name}"):
            read_text(path, encoding=name)
    path.write_bytes("<?xml version='1.0' encoding='Windows-1251'?><tt>Да</tt>".encode("cp1251"))
    read = read_text(path)
    assert (read.encoding, read.guessed, "Да" in read.text) == ("windows-1251", False, True)


def test_lost_letters_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes(("Žluťoučký kůň úpěl\n" * 3).encode()[:-2])
    read = read_text(path)
    assert (read.encoding, read.guessed) == ("utf-8", False)
    path.write_bytes("Žluťoučký kůň\nÚpěl ď".encode()[:-1])
    loss = read_text(path).loss
    assert loss == "It holds a letter that cannot be read as utf-8, first in line 2."
    path.write_bytes("\ufeff1\n".encode("utf-32"))
    assert read_text(path).text.strip("\ufeff") == "1\n"
