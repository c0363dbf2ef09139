from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from calvin.core.time import Span
from calvin.media.film.source import probe
from calvin.media.gaps import dialogue_gaps
from calvin.media.subtitles import read_subtitles
from calvin.media.voice.voices import ToneVoice
from calvin.puppets.draw.video import draw_card, film_frames
from calvin.puppets.film import SOUND_RATE, film_truth, render_film, say, sound_blocks
from calvin.puppets.tell.captions import film_captions
from calvin.puppets.tell.screenplay import Film, Line, make_film, pairing_split

BUNDLED = Path(__file__).parents[3] / "src/calvin/assets/film"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Film, Path]:
    path = tmp_path_factory.mktemp("film") / "small.mp4"
    return render_film(2, path, 160, 90, 10, scenes=5, voice=ToneVoice()), path


def test_the_film_its_subtitles_and_its_truth_agree(made: tuple[Film, Path]) -> None:
    film, path = made
    facts = probe(path)
    assert abs(facts.duration_ms - film.duration_ms) < 120
    assert (facts.width, facts.height, facts.frame_rate) == (160, 90, 10)
    assert facts.audio_streams[0].codec == "aac"
    lines = read_subtitles(path.with_suffix(".srt")).lines
    assert [(line.span, line.text) for line in lines] == [
        (Span(line.start_ms, line.end_ms), line.text) for line in film.lines
    ]
    assert [line.speaker for line in lines] == [line.speaker.upper() for line in film.lines]
    truth = json.loads(path.with_suffix(".truth.json").read_text())
    assert truth == json.loads(json.dumps(film_truth(film)))
    assert len(truth["scenes"]) == 5
    assert [card["kind"] for card in truth["credits"]] == ["opening", "closing"]


def test_speech_is_heard_when_the_subtitles_say(made: tuple[Film, Path]) -> None:
    film, path = made
    with av.open(str(path)) as container:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])

    def loudness(start_ms: int, end_ms: int) -> float:
        piece = sound[start_ms * SOUND_RATE // 1000 : end_ms * SOUND_RATE // 1000]
        return float(np.sqrt((piece**2).mean()))

    assert film.lines
    for line in film.lines:
        assert loudness(line.start_ms, line.end_ms) > 0.02
    for before, after in pairwise(film.lines):
        if after.start_ms - before.end_ms > 500:
            assert loudness(before.end_ms + 150, after.start_ms - 150) < 0.005


def test_a_line_is_spoken_within_its_time() -> None:
    line = Line(0, 1500, "Mara", "There is something I have to tell you.")
    assert len(say(line, ToneVoice())) / SOUND_RATE < 1.6


def test_sound_keeps_time_with_the_picture_at_any_rate() -> None:
    film = make_film(1, 5)
    for fps in (25.0, 23.976):
        blocks = sound_blocks(film, ToneVoice(), fps)
        lengths = [len(next(blocks)) for _ in range(100)]
        assert abs(sum(lengths) - 100 / fps * SOUND_RATE) < 1


def test_frames_follow_cards_and_shots() -> None:
    film = make_film(1, 5)
    frames = list(film_frames(film, 112, 64, 5))
    assert len(frames) == round(film.duration_ms / 200)
    assert np.array_equal(frames[0], draw_card(film.cards[0], 112, 64))
    assert np.array_equal(frames[-1], draw_card(film.cards[1], 112, 64))
    assert not np.array_equal(frames[10], frames[0])


def test_the_bundled_film_is_what_is_promised() -> None:
    facts = probe(BUNDLED / "puppets.mp4")
    assert (facts.width, facts.height, facts.frame_rate, facts.video_codec) == (640, 360, 25, "h264")
    assert 60_000 <= facts.duration_ms <= 180_000
    assert facts.audio_streams[0].codec == "aac"
    assert facts.size < 8_000_000
    truth = json.loads((BUNDLED / "puppets.truth.json").read_text())
    assert all(pairing_split(person["name"], person["look"]["coat"]) == "heldout" for person in truth["cast"])
    assert len(truth["cast"]) == 4
    lines = read_subtitles(BUNDLED / "puppets.srt").lines
    gaps = dialogue_gaps(lines, facts.duration_ms)
    told = [any(gap.overlap_ms(Span(s["start_ms"], s["end_ms"])) > 1500 for gap in gaps) for s in truth["scenes"]]
    assert sum(told) / len(told) > 0.9


def test_the_bundled_truth_is_that_of_its_seed() -> None:
    truth = json.loads((BUNDLED / "puppets.truth.json").read_text())
    film = make_film(truth["seed"], 18, 4, "heldout", card_ms=3000, seconds=(3.0, 5.6), talk=0.3)
    assert json.loads(json.dumps(film_truth(film))) == truth
    assert [scene["caption"] for scene in truth["scenes"]] == film_captions(film)
