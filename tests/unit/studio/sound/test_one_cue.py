"""One cue spoken while somebody waits: kept as a run over the whole project keeps it."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calvin.core.errors import StoreError, UsageError
from calvin.core.time import Span
from calvin.core.types import Author, Cue, DialogueLine
from calvin.media.voice.voices import ToneVoice
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.status import measured_ms, spoken_cues
from calvin.studio.project.store import ProjectStore
from calvin.studio.sound.cue_files import VoiceChoice, VoiceSettings, voice_choice
from calvin.studio.sound.one_cue import note_spoken, speak_cue, speak_words
from calvin.studio.sound.voiced_cues import voice_project

TEXTS = ("Mara opens the door.", "She looks down the dark street.", "—", "Rain.")


class Counting(ToneVoice):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def _speak(self, text: str, speed: float) -> tuple[np.ndarray, int]:
        if not text.startswith("She crosses"):
            self.heard.append(text)
        return super()._speak(text, speed)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "p"
    with ProjectStore(folder, create=True) as store:
        store.bind_film(FilmRow("Film", "film.mp4", "0" * 64, 60_000, {}))
        store.set_dialogue([DialogueLine(Span(11_400, 12_000), "Go!")])
        for number, text in enumerate(TEXTS):
            span = Span(10_000 * number, 10_000 * number + 3000)
            store.add_cue(Cue("", span, text, span, span.start_ms, Author.HUMAN))
    return folder


def test_a_cue_is_measured_and_not_spoken_again(project: Path) -> None:
    speaker = Counting()
    with ProjectStore(project) as store:
        measured = speak_cue(store, "2", speaker)
        assert measured.room_ms == 1400
        assert measured_ms(store) == {"2": measured.ms}
        [found], missing = spoken_cues(store)
        assert [cue.id for cue in missing] == ["1", "4"]
    assert found.path.parent == project / "voice"
    report = voice_project(project, speaker)
    assert (report.made, report.kept) == (2, 1)
    assert speaker.heard == [TEXTS[1], TEXTS[0], TEXTS[3]]
    assert found.path in {one.path for one in report.cues}


def test_after_a_run_over_the_project_only_new_words_are_spoken(project: Path) -> None:
    voice_project(project, Counting(), VoiceSettings(rate=220))
    speaker = Counting()
    with ProjectStore(project) as store:
        before = measured_ms(store)
        assert speak_cue(store, "1", speaker).ms == before["1"]
        assert speaker.heard == []
        store.edit_cue(replace(store.cue("1"), text="Mara opens the heavy old door."))
        longer = speak_cue(store, "1", speaker).ms
        assert speaker.heard == ["Mara opens the heavy old door."]
        assert measured_ms(store) == {**before, "1": longer}
        assert longer > before["1"]
        assert store.voice is not None
        assert store.voice.rate == 220
    assert voice_project(project, speaker).made == 0


def test_another_process_speaks_what_the_project_then_keeps(project: Path) -> None:
    """Plain values go there and come back; words that were changed meanwhile are not taken for spoken."""
    (project / "pronunciation.csv").write_text("Mara,Mahrah\n")
    with ProjectStore(project, read_only=True) as store:
        choice: VoiceChoice = pickle.loads(pickle.dumps(voice_choice(store, "tones")))
        text = store.cue("1").text
    speaker = Counting()
    with ProjectStore(project) as other:  # the lock is somebody else's
        said = speak_words(project, "1", text, choice, speaker)
        assert speaker.heard == ["Mahrah opens the door."]
        assert measured_ms(other) == {}
        assert note_spoken(other, said, choice).ms == said.ms
        assert measured_ms(other) == {"1": said.ms}
        other.edit_cue(replace(other.cue("1"), text="Something else."))
        assert note_spoken(other, said, choice).ms == said.ms
        assert measured_ms(other) == {}
    alone = speak_words(project, "4", "Rain.", choice)  # opens the voice by itself
    assert (project / "voice" / alone.file).is_file()
    assert alone.voice == "tones"


def test_what_cannot_be_spoken(project: Path) -> None:
    with ProjectStore(project) as store:
        with pytest.raises(UsageError, match="cue-3 has no words to speak"):
            speak_cue(store, "3", Counting())
        with pytest.raises(StoreError, match="no cue '9'"):
            speak_cue(store, "9", Counting())
        assert store.voice is None
