"""TTML of any profile: what is timed where, in which units, and what is refused or named."""

from __future__ import annotations

import pytest

from calvin.core.errors import DataError
from calvin.media.ttml import read_ttml, stated_programme

NEW = "http://www.w3.org/ns/ttml"
OLD = ["http://www.w3.org/2006/10/ttaf1", "http://www.w3.org/2006/04/ttaf1", "http://www.w3.org/2004/11/ttaf1"]


def read(body: str, head: str = "", space: str = NEW) -> list[tuple[int, int, str]]:
    cues, unread = read_ttml(document(body, head, space))
    assert not unread
    return [(cue.start_ms, cue.end_ms, cue.text) for cue in cues if cue.text]


def document(body: str, head: str = "", space: str = NEW) -> str:
    tts = f'xmlns:ttp="{space}#parameter" xmlns:ttm="{space}#metadata" xmlns:tts="{space}#styling"'
    return f'<?xml version="1.0" encoding="UTF-16"?><tt xmlns="{space}" {tts} {head}>{body}</tt>'


HI = [(1500, 3000, "Hi there.")]


@pytest.mark.parametrize(
    ("body", "head"),
    [
        ('<body><div><p begin="1.5s" end="3s">Hi<br/>there.</p></div></body>', ""),
        ('<body><div begin="1.5s" end="3s"><p>Hi there.</p></div></body>', ""),
        ('<body><div><div begin="1.5s" dur="1.5s"><p>Hi</p><p>there.</p></div></div></body>', ""),
        ('<body><div><p><span begin="00:00:01.5" end="00:00:03">Hi there.</span></p></div></body>', ""),
        ('<body begin="1s"><div begin="500ms"><p end="1500ms">Hi there.</p></div></body>', ""),
        ('<body><div><p begin="15000000t" dur="15000000t">Hi there.</p></div></body>', 'ttp:tickRate="10000000"'),
        ('<body><div><p begin="00:00:01:12" end="75f">Hi there.</p></div></body>', 'ttp:frameRate="24"'),
        ('<body><div timeContainer="seq"><p dur="1.5s"/><p dur="1.5s">Hi there.</p></div></body>', ""),
        ('<body timeContainer="seq"><div dur="1s"/><div><p begin=".5s" end="2s">Hi there.</p></div></body>', ""),
        ('<body><div><p begin="1.5s" end="3s">Hi <span tts:ruby="text">x</span>there.</p></div></body>', ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("space", [NEW, *OLD])
def test_times_wherever_they_stand(body: str, head: str, space: str) -> None:
    wanted = [(1500, 3125, "Hi there.")] if "75f" in body else HI
    assert read(body.replace('".5s"', '"0.5s"'), head, space) == wanted


def test_text_beside_timed_parts_is_kept() -> None:
    body = '<body><p begin="1s" end="5s">Come <span>in</span>, <span begin="1s" end="2s">Ann</span></p></body>'
    assert sorted(read(body)) == [(1000, 5000, "Come in,"), (2000, 3000, "Ann")]


@pytest.mark.parametrize(
    ("head", "stamp", "ms"),
    [
        ('ttp:timeBase="smpte" ttp:frameRate="25"', "01:00:00:05", 3_600_200),
        ('ttp:timeBase="smpte" ttp:frameRate="30" ttp:frameRateMultiplier="1000 1001"', "00:01:00:00", 60_060),
        ('ttp:timeBase="smpte" ttp:frameRate="30" ttp:frameRateMultiplier="1000:1001"', "00:01:00", 60_060),
        (
            'ttp:timeBase="smpte" ttp:frameRate="30" ttp:frameRateMultiplier="1000 1001" ttp:dropMode="dropNTSC"',
            "01:00:00:00",
            3_599_996,
        ),
        ('ttp:timeBase="media" ttp:frameRate="30" ttp:frameRateMultiplier="1000 1001"', "00:01:00:00", 60_000),
        ('ttp:frameRate="25" ttp:subFrameRate="2"', "00:00:01:01.1", 1060),
    ],
)  # fmt: skip
def test_smpte_and_frames(head: str, stamp: str, ms: int) -> None:
    """Appendix I: SMPTE times count frames, also the seconds in them."""
    body = f'<body><div><p begin="{stamp}" dur="2s">Hi.</p></div></body>'
    assert read(body, head) == [(ms, ms + 2000, "Hi.")]


def test_discontinuous_times_do_not_count_from_their_parents() -> None:
    head = 'ttp:timeBase="smpte" ttp:markerMode="discontinuous" ttp:frameRate="25"'
    body = (
        '<body><div begin="00:00:10:00" end="00:00:20:00"><p begin="00:00:11:00" end="00:00:12:00">Hi.</p></div></body>'
    )
    assert read(body, head) == [(11_000, 12_000, "Hi.")]


def test_speakers() -> None:
    head = "<head><metadata><ttm:agent type='person' xml:id='a'><ttm:name>Ann</ttm:name></ttm:agent></metadata></head>"
    cues, _ = read_ttml(document(f'{head}<body><div><p ttm:agent="a" begin="1s" end="2s">Hi.</p></div></body>'))
    assert cues[0].speaker == "Ann"


def test_every_paragraph_is_read_or_named() -> None:
    body = (
        '<body><div><p begin="1s" end="2s">One.</p><p begin="soon" end="4s">Two.</p><p>Three.</p>'
        '<p begin="1s">Four.</p><p begin="00:99:00" end="5s">Five.</p></div></body>'
    )
    cues, unread = read_ttml(document(body))
    assert [cue.text for cue in cues] == ["One."]
    assert len(cues) + len(unread) == body.count("<p")
    assert unread[0] == "event 2: 'soon' is not a time (Two.)"
    assert unread[1] == 'event 3: "Three." has no begin and end'


def test_what_is_refused() -> None:
    for text in ('<!DOCTYPE tt><tt xmlns="x"/>', '<!doctype tt [<!ENTITY a "b">]><tt/>'):
        with pytest.raises(DataError, match="document type"):
            read_ttml(text)
    with pytest.raises(DataError, match="not whole XML"):
        read_ttml("<tt><body>")
    with pytest.raises(DataError, match="nested too deeply"):
        read_ttml(document(f"<body>{'<div>' * 60}<p begin='1s' end='2s'>Hi.</p>{'</div>' * 60}</body>"))


def test_a_programmes_time_is_not_looked_for_in_what_read_ttml_refuses() -> None:
    for wrong in ('<!DOCTYPE tt [<!ENTITY a "b">]><tt/>', "<tt"):
        for reader in (read_ttml, stated_programme):
            with pytest.raises(DataError):
                reader(wrong)
