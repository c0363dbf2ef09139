"""The words of cues: asked of a captioner place by place, and fitted to the time there is to speak.

Of what the captioner offers, the best that fits is said; where nothing fits, a shorter caption, else the film pauses.
No caption is cut.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TypeVar

from calvin.captioners.answers import is_sound, says_again
from calvin.captioners.base import CaptionAnswer, Captioner, CaptionRequest
from calvin.captioners.naming import NameGuard
from calvin.core.errors import CalvinError
from calvin.core.progress import Listener, Stage
from calvin.core.prompts import Prompt
from calvin.core.time import in_s
from calvin.core.types import Place
from calvin.media.languages import language_name
from calvin.studio.describe.film_project import FilmProject
from calvin.studio.project.contents import Choice, Decision
from calvin.studio.project.describe_settings import DescribeSettings
from calvin.studio.project.store import MAX_TEXT
from calvin.studio.project.timing import NOT_AGAIN, SpokenLength, words_within

TOGETHER = 8
"""Films captioned side by side, and scenes per batch where the context allows."""
TROUBLE = (CalvinError, OSError, sqlite3.Error)
"""What may go wrong with one film without stopping the others."""
FEWEST_WORDS = 3
"""No sentence worth hearing is asked for in fewer words."""

Failed = dict[FilmProject, Exception]
_NOTHING = CaptionAnswer("", 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """A place whose cue is asked for, and the answer once it is there."""

    film: FilmProject
    place: Place
    request: CaptionRequest
    answer: CaptionAnswer = _NOTHING


_Result = TypeVar("_Result")


def caption_films(
    films: Sequence[FilmProject], captioner: Captioner, settings: DescribeSettings, progress: Listener
) -> Failed:
    """Caption every open place. With context, a film's captions follow one another and films run side by side.

    Returns the films that had to be given up, each with its error; what was stored of them is kept.
    """
    guard = NameGuard(captioner)
    failed: Failed = {}
    waiting = {film: [place for place in film.store.plans if not place.done] for film in films}
    stage = Stage("describe", progress, sum(map(len, waiting.values())), "cues")
    done = 0
    while any(waiting.values()):
        # A caption that sees those before it has to wait for them.
        count = 1 if settings.context else TOGETHER
        places = [(film, place) for film, places in waiting.items() for place in places[:count]]
        turns = _asked(places, settings, failed)
        try:
            answers = guard.caption([turn.request for turn in turns]) if turns else []
        except TROUBLE as error:
            turns, answers = _film_by_film(turns, lambda part: guard.caption([t.request for t in part]), error, failed)
        for wave in _waves([replace(turn, answer=answer) for turn, answer in zip(turns, answers, strict=True)]):
            _keep(wave, guard, failed)
        waiting = {film: places[count:] for film, places in waiting.items() if film not in failed}
        done += len(places)
        stage.update(done, detail=_shortened(answers))
    return failed


def _asked(places: Sequence[tuple[FilmProject, Place]], settings: DescribeSettings, failed: Failed) -> list[Turn]:
    """What to ask for each place, of the films whose scenes can be read."""
    turns = []
    for film, place in places:
        if film in failed:
            continue
        try:
            turns.append(Turn(film, place, _request(film, place, settings)))
        except TROUBLE as error:
            failed[film] = error
    return [turn for turn in turns if turn.film not in failed]


def _request(film: FilmProject, place: Place, settings: DescribeSettings) -> CaptionRequest:
    names = film.present.get(place.id, ())
    before = () if names and settings.names_alone else film.context(place, settings.context)
    question, language = settings.question, film.film.language
    if language != "en" and film.features is None:  # CALVIN knows the question by its words, and English alone
        question = f"{question} Answer in {language_name(language)}."
    licence = film.introduced.licence(place, names, settings.context) if film.introduced else None
    return CaptionRequest(film.scene(place), Prompt(question, before, names), licence=licence)


def _film_by_film(
    turns: Sequence[Turn], work: Callable[[Sequence[Turn]], Sequence[_Result]], error: Exception, failed: Failed
) -> tuple[list[Turn], list[_Result]]:
    """`work`, which failed for all turns together, for each film by itself.

    The films at fault join `failed`, and their turns are left out.
    """
    films = list(dict.fromkeys(turn.film for turn in turns))
    if len(films) == 1:
        failed[films[0]] = error
        return [], []
    kept: list[Turn] = []
    results: list[_Result] = []
    for film in films:
        part = [turn for turn in turns if turn.film is film]
        try:
            results += work(part)
            kept += part
        except TROUBLE as trouble:
            failed[film] = trouble
    return kept, results


def _waves(turns: Sequence[Turn]) -> Iterator[list[Turn]]:
    """One cue of each film at a time: where it may be spoken depends on the one before."""
    films: dict[FilmProject, list[Turn]] = {}
    for turn in turns:
        films.setdefault(turn.film, []).append(turn)
    for wave in zip_longest(*films.values()):
        yield [turn for turn in wave if turn is not None]


def _keep(wave: Sequence[Turn], captioner: NameGuard, failed: Failed) -> None:
    """Fit each answer into its place, ask for shorter ones where none fits, and store what is to be said."""

    def fit(wave: Sequence[Turn]) -> list[Fitted]:
        asked = [
            Asked(one.request, one.answer, one.film.room(one.place).duration_ms, one.film.context(one.place, NOT_AGAIN))
            for one in wave
        ]
        return fit_all(asked, captioner, wave[0].film.spoken)

    wave = [one for one in wave if one.film not in failed]
    try:
        fitted = fit(wave) if wave else []
    except TROUBLE as error:
        wave, fitted = _film_by_film(wave, fit, error, failed)
    for one, words in zip(wave, fitted, strict=True):
        try:
            one.film.keep(one.place, words.text, words.decision, one.answer)
        except TROUBLE as error:
            failed[one.film] = error


def _shortened(answers: Sequence[CaptionAnswer]) -> str:
    text = answers[-1].text if answers else ""
    return text if len(text) <= 60 else f"{text[:57]}..."


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, the answer to it, the room to speak in, and what was said just before."""

    request: CaptionRequest
    answer: CaptionAnswer
    room_ms: int
    said: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fitted:
    """The words to say, blank for none, and why these."""

    text: str
    decision: Decision


def fit_all(asked: Sequence[Asked], captioner: Captioner | NameGuard, spoken: SpokenLength) -> list[Fitted]:
    """For each answer the best of its candidates that fits; where none does, a shorter caption or a pause."""
    fitted = [_from_beam(one, spoken) for one in asked]
    words = {i: _words(asked[i], spoken) for i, found in enumerate(fitted) if found is None}
    short = {i: replace(asked[i].request, max_words=count) for i, count in words.items() if count >= FEWEST_WORDS}
    answers = dict(zip(short, captioner.caption(list(short.values())) if short else (), strict=True))
    return [found or _shorter(asked[i], answers.get(i), words[i], spoken) for i, found in enumerate(fitted)]


def _words(one: Asked, spoken: SpokenLength) -> int:
    return words_within(one.answer.text, one.room_ms, spoken)


def _sound(one: Asked, answer: CaptionAnswer) -> list[str]:
    """What the model offers that can be said here, best first."""
    offered = (text for text in dict.fromkeys((answer.text, *answer.candidates)) if len(text) <= MAX_TEXT)
    return [text for text in offered if is_sound(text, None) and not any(says_again(text, old) for old in one.said)]


def _from_beam(one: Asked, spoken: SpokenLength) -> Fitted | None:
    """The best candidate that fits, or the reason to say nothing; None where there are only longer ones."""
    sound, text = _sound(one, one.answer), one.answer.text
    if not sound and len(text) > MAX_TEXT:
        why = f"The model's answer has {len(text):,} characters, and a cue has {MAX_TEXT:,} at most."
        return Fitted("", Decision(Choice.SILENT, why))
    if not sound and is_sound(text, None):
        return Fitted("", Decision(Choice.REPEATED, f'"{text}" was said just before.'))
    if not sound:
        return Fitted("", Decision(Choice.SILENT, "The model found no words."))
    fitting = next((text for text in sound if spoken.ms(text) <= one.room_ms), None)
    if fitting is None:
        return None
    length = f"{in_s(spoken.ms(fitting))} of {in_s(one.room_ms)}"
    if fitting == text:
        return Fitted(text, Decision(Choice.BEST, f"Takes {length}."))
    why = f"takes {in_s(spoken.ms(text))}" if text in sound else "was said just before or loops"
    return Fitted(fitting, Decision(Choice.CANDIDATE, f"The best {why}; the best other that fits takes {length}."))


def _shorter(one: Asked, answer: CaptionAnswer | None, words: int, spoken: SpokenLength) -> Fitted:
    sound = _sound(one, answer) if answer else []
    text = next((text for text in sound if spoken.ms(text) <= one.room_ms), None)
    best = _sound(one, one.answer)[0]
    needs = f"{in_s(spoken.ms(best))} for the best, but there are {in_s(one.room_ms)}"
    if text is not None:
        why = f"It takes {needs}; asked for {words} words, the model says it in {in_s(spoken.ms(text))}."
        return Fitted(text, Decision(Choice.SHORTER, why))
    tried = f"the model finds no whole sentence of {words} words" if answer else f"{words} words are no sentence"
    return Fitted(best, Decision(Choice.EXTENDED, f"It takes {needs}, and {tried}: the film pauses."))
