"""Labels before lines of dialogue: who speaks, and what only sounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from calvin.media.speakers import is_sound, label_of, other_labels
from calvin.media.subtitles import read_subtitles


def spoken(path: Path, *texts: str) -> list[tuple[str, str]]:
    """Speaker and words of each cue that is read, of subtitles of one cue a second."""
    cues = (f"00:00:{i:02}.000 --> 00:00:{i:02}.900\n{text}\n" for i, text in enumerate(texts))
    (path / "a.vtt").write_text("WEBVTT\n\n" + "\n".join(cues))
    return [(line.speaker, line.text) for line in read_subtitles(path / "a.vtt").lines]


@pytest.mark.parametrize(
    ("text", "label", "words"),
    [
        ("ANN: Yes.", "ANN", "Yes."),
        ("- ANN LEE: Yes.", "ANN LEE", "Yes."),
        ("ANN (whispering): Yes.", "ANN", "Yes."),
        ("ANN (V.O.): Yes.", "ANN", "Yes."),
        ("ANN [on phone]: Yes.", "ANN", "Yes."),
        ("Ann: Yes.", "", "Ann: Yes."),
        ("Remember: 9:30.", "", "Remember: 9:30."),
    ],
)
def test_a_label_in_capitals_is_taken_off(text: str, label: str, words: str) -> None:
    assert label_of(text) == (label, words)


def test_labels_of_songs_and_sounds_are_nobodys(tmp_path: Path) -> None:
    assert all(map(is_sound, ("MUSIC", "Theme song", "RADIO 2", "TV")))
    assert not any(map(is_sound, ("ANN", "MUSICIAN", "Tvrtko", "")))
    rows = spoken(tmp_path, "SONG: La la la.", "ANN: Yes.", "<v Radio>Good evening.", "[Theme music] Hello.")
    assert rows == [("", "La la la."), ("ANN", "Yes."), ("", "Good evening."), ("", "[Theme music] Hello.")]


def test_a_name_in_brackets_is_told_from_a_sound_by_the_rest_of_the_file(tmp_path: Path) -> None:
    rows = spoken(tmp_path, "[Ann] Yes.", "[sighs] I know.", "[Ann, whispering] No.", "[Door slams] What?", "(Ann) Me?")
    assert rows == [
        ("Ann", "Yes."), ("", "[sighs] I know."), ("Ann", "No."), ("", "[Door slams] What?"), ("Ann", "Me?"),
    ]  # fmt: skip
    known = spoken(tmp_path, "[ANN] Yes.", "[SIGHS] I know.", "Come here, Ann!")
    assert known == [("ANN", "Yes."), ("", "[SIGHS] I know."), ("", "Come here, Ann!")]
    shouted = spoken(tmp_path, "[SIGHS] I KNOW.", "[SIGHS] WELL.", "[ANN] YES.", "[ANN] NO.")
    assert {speaker for speaker, _ in shouted} == {""}, "where all is capital, nothing tells a name from a sound"


def test_a_label_in_small_letters_is_one_where_the_name_is_known() -> None:
    texts = ["Ann: Yes.", "Note: it is late.", "Will you come, Ann?", "Bob: No."]
    assert other_labels(texts, ["BOB"]) == [("Ann", "Yes."), ("", texts[1]), ("", texts[2]), ("Bob", "No.")]
