"""Writing in puppet films: times stay whole, nobody speaks over a card, and films without it stay as they are."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import numpy as np
import pytest

from calvin.puppets.draw.render import SceneRenderer
from calvin.puppets.draw.video import draw_card, film_frames
from calvin.puppets.tell.screenplay import Card, Film, make_film
from calvin.puppets.tell.writings import INTERTITLE_MS, LETTER_MS, with_writing

SEEDS = range(40, 52)


def film_of(seed: int) -> Film:
    return make_film(seed, 12, split="heldout", card_ms=3000, seconds=(3.0, 5.6), talk=0.3)


@pytest.mark.parametrize("seed", SEEDS)
def test_all_that_comes_later_moves_along(seed: int) -> None:
    plain, film = film_of(seed), with_writing(film_of(seed))
    parts = sorted([*film.cards, *film.inserts, *(shot.truth for shot in film.shots)], key=lambda part: part.start_ms)
    assert all(one.end_ms == other.start_ms for one, other in pairwise(parts))
    added = sum({"letter": LETTER_MS, "intertitle": INTERTITLE_MS}[card.kind] for card in film.inserts)  # type: ignore[index]
    assert film.duration_ms == plain.duration_ms + added
    assert [line.text for line in film.lines] == [line.text for line in plain.lines]
    for line, before in zip(film.lines, plain.lines, strict=True):
        assert line.end_ms - line.start_ms == before.end_ms - before.start_ms
        assert not any(card.start_ms < line.end_ms and line.start_ms < card.end_ms for card in film.inserts)
    for sign in film.signs:
        truth = film.shots[sign.shot].truth
        assert (sign.start_ms, sign.end_ms) == (truth.start_ms, truth.end_ms)
        assert all(sign.lines)


def test_there_is_some_of_each_and_the_same_each_time() -> None:
    films = [with_writing(film_of(seed)) for seed in SEEDS]
    assert {card.kind for film in films for card in film.inserts} == {"letter", "intertitle"}
    assert sum(len(film.signs) for film in films) > 30
    assert any(len(sign.lines) == 2 for film in films for sign in film.signs)
    assert films == [with_writing(film_of(seed)) for seed in SEEDS]


def test_films_without_writing_are_drawn_as_ever() -> None:
    plain, film = film_of(41), with_writing(film_of(41))
    [number, *_] = [sign.shot for sign in film.signs]
    signed = [shot for shot in range(len(plain.shots)) if shot in {sign.shot for sign in film.signs}]
    assert number in signed
    before = SceneRenderer(plain.shots[number], 160, 90).frame(0.4)
    assert np.array_equal(before, SceneRenderer(film.shots[number], 160, 90).frame(0.4))
    assert not np.array_equal(before, SceneRenderer(film.shots[number], 160, 90, film.signs[0]).frame(0.4))
    frames = list(film_frames(plain, 160, 90, 1.0))
    shown = hashlib.sha256(b"".join(frame.tobytes() for frame in frames)).hexdigest()
    starts = [plain.cards[0].start_ms, *(shot.truth.start_ms for shot in plain.shots), plain.cards[-1].start_ms]
    again = []
    for second in range(len(frames)):
        at = max(i for i, start in enumerate(starts) if start <= 1000 * second)
        part = [plain.cards[0], *plain.shots, plain.cards[-1]][at]
        again.append(
            draw_card(part, 160, 90)
            if isinstance(part, Card)
            else SceneRenderer(part, 160, 90).frame(second - starts[at] / 1000)
        )
    assert hashlib.sha256(b"".join(frame.tobytes() for frame in again)).hexdigest() == shown


def test_subtitles_are_burnt_in_only_while_somebody_speaks() -> None:
    film = film_of(43)
    plain, burnt = (list(film_frames(film, 320, 180, 2.0, burnt_in)) for burnt_in in (False, True))
    for number, (one, other) in enumerate(zip(plain, burnt, strict=True)):
        now = 500 * number
        speaks = any(line.start_ms <= now < line.end_ms for line in film.lines)
        assert np.array_equal(one, other) is not speaks
        assert np.array_equal(one[:140], other[:140]), "only low in the picture"


def test_a_letter_is_a_sheet_with_all_its_lines() -> None:
    short, long = (
        draw_card(Card(0, 5000, "letter", lines), 320, 180) for lines in (("Dear Ann,",), ("Dear Ann,", "go!"))
    )
    assert short.shape == (180, 320, 3)
    assert (short != long).any()
    assert short[90, 160].mean() > 180, "paper is light"
