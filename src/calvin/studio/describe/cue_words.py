"""The words of cues: asked of a captioner place by place, then chosen and placed for the film as a whole.

What a captioner offers for a place is kept, with how likely it holds each. Once all places of a film are captioned, the
schedule of the film chooses what is said and when. For what does not fit, a shorter caption is asked for, else the film
pauses. No caption is cut.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from calvin.captioners.base import CaptionAnswer, Captioner, CaptionRequest, Licence
from calvin.captioners.naming import NameGuard
from calvin.captioners.surroundings import Surroundings
from calvin.captioners.wearing import Answering, RoleGuard
from calvin.core.errors import CalvinError
from calvin.core.progress import Listener, Stage
from calvin.core.prompts import Prompt
from calvin.core.types import CueKind, Place
from calvin.media.languages import language_name
from calvin.media.schedule.items import Left, Schedule
from calvin.studio.describe.film_project import FilmProject
from calvin.studio.describe.questions import Sight, surroundings
from calvin.studio.project.contents import Choice
from calvin.studio.project.describe_settings import DescribeSettings
from calvin.studio.project.store import ProjectStore
from calvin.studio.project.timing import FEWEST_WORDS, SpokenLength, words_within
from calvin.studio.script.cue_places import film_schedule, place_cues

TOGETHER = 8
"""Films captioned side by side, and scenes per batch where the context allows."""
_AHEAD = 16
"""Places of each film whose captions are asked for together, where these do not depend on one another."""
TROUBLE = (CalvinError, OSError, sqlite3.Error)
"""What may go wrong with one film without stopping the others."""

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
    """Caption every open place, then place the cues of each film. With context, a film's captions follow one another
    and films run side by side.

    Returns the films that had to be given up, each with its error; what was stored of them is kept.
    """
    names = NameGuard(captioner)
    guard = RoleGuard(names)
    failed: Failed = {}
    waiting = {film: [p for p in film.store.plans if not (p.done or film.skeleton)] for film in films}
    stage = Stage("describe", progress, sum(map(len, waiting.values())), "cues")
    done = turn = 0
    if stage.total:
        stage.update(done)  # the first captions of all films are asked for together, which takes a while
    while any(waiting.values()):
        # A caption that sees those before it has to wait for them.
        count = 1 if settings.context else TOGETHER
        places = [(film, place) for film, places in waiting.items() for place in places[:count]]
        if settings.context and turn % _AHEAD == 0:
            _look_ahead(names, waiting, settings)
        turns = _asked(places, settings, failed)
        try:
            answers = guard.caption([turn.request for turn in turns]) if turns else []
        except TROUBLE as error:
            turns, answers = _film_by_film(turns, lambda part: guard.caption([t.request for t in part]), error, failed)
        _keep([replace(turn, answer=answer) for turn, answer in zip(turns, answers, strict=True)], failed)
        waiting = {film: places[count:] for film, places in waiting.items() if film not in failed}
        done, turn = done + len(places), turn + 1
        stage.update(done, detail=_shortened(answers))
    for film in films:
        if film not in failed:
            try:
                place_film(film, guard, settings)
            except TROUBLE as error:
                failed[film] = error
    return failed


def _look_ahead(names: NameGuard, waiting: Mapping[FilmProject, Sequence[Place]], settings: DescribeSettings) -> None:
    """Ask together what the next captions of each film do not need those before them for."""
    with suppress(*TROUBLE):  # it is met again, and told, when its film comes to it
        names.look_ahead(
            [request_of(film, place, settings) for film, places in waiting.items() for place in places[:_AHEAD]]
        )


def _asked(places: Sequence[tuple[FilmProject, Place]], settings: DescribeSettings, failed: Failed) -> list[Turn]:
    """What to ask for each place, of the films whose scenes can be read."""
    turns = []
    for film, place in places:
        if film in failed:
            continue
        try:
            turns.append(Turn(film, place, request_of(film, place, settings)))
        except TROUBLE as error:
            failed[film] = error
    return [turn for turn in turns if turn.film not in failed]


def request_of(film: FilmProject, place: Place, settings: DescribeSettings) -> CaptionRequest:
    """What a captioner is asked about a place: who is there, what came before it, and what stands around it."""
    names = film.present.get(place.id, ())
    before = () if names and settings.names_alone else film.context(place, settings.context)
    question, language = settings.question, film.film.language
    if language != "en" and film.features is None:  # CALVIN knows the question by its words, and English alone
        question = f"{question} Answer in {language_name(language)}."
    licence = film.introduced.licence(place, names, settings.context) if film.introduced else None
    if licence is not None:
        denied = film.denied.get(place.id, frozenset())
        licence = replace(licence, looks={one: look for one, look in licence.looks.items() if one not in denied})
    looks = tuple(film.looks.get(name, "") for name in names) if film.looks else ()
    worn = tuple(film.worn.get(name, "") for name in names)
    around = _around(film, place, settings, licence)
    prompt = Prompt(question, before, names, looks)
    return CaptionRequest(film.scene(place), prompt, licence=licence, worn=worn, around=around)


def _around(film: FilmProject, place: Place, settings: DescribeSettings, licence: Licence | None) -> Surroundings:
    """What stands around a place; a captioner that reads frame vectors is not asked in words."""
    if film.features is not None:
        return Surroundings()
    sight, language = film.sight or Sight(film.frames), film.film.language
    return surroundings(film.store, place, settings.prompt, language, film.spoken, licence, sight)


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


def _keep(turns: Sequence[Turn], failed: Failed) -> None:
    """Store what was answered: from here on it is not lost."""
    for one in turns:
        if one.film in failed:
            continue
        try:
            one.film.keep(one.place, one.answer)
        except TROUBLE as error:
            failed[one.film] = error


def _shortened(answers: Sequence[CaptionAnswer]) -> str:
    text = answers[-1].text if answers else ""
    return text if len(text) <= 60 else f"{text[:57]}..."


def place_film(film: FilmProject, captioner: Answering, settings: DescribeSettings) -> None:
    """Choose what is said of a film, in which words and when; where something does not fit, ask for shorter captions.

    In a film whose cues were all placed before, that is done only where a person's cue has come to lie over a draft:
    as a step of its own, in which shorter captions are asked for only if the film would pause where it did not.
    """
    store, spoken = film.store, film.lengths
    first = any(decision.choice is Choice.OPEN for decision in store.decisions)
    if not (first or _drafts_covered(store)):
        return
    found = film_schedule(store, spoken)
    paused = {cue.id for cue in store.cues if cue.extended}
    asks = first or any(one.left in (Left.TOO_LONG, Left.FULL) and one.item.id not in paused for one in found.placed)
    limits = _words_to_ask(found, spoken) if asks else {}
    places, shorter = store.places_of_cues(), dict[str, tuple[str, ...]]()
    turns = [
        Turn(film, places[cue], replace(request_of(film, places[cue], settings), max_words=words))
        for cue, words in limits.items()
        if cue in places
    ]
    answers = captioner.caption([turn.request for turn in turns]) if turns else []
    offered, cues = store.scored_candidates(), {place.id: cue for cue, place in places.items()}
    with store.together() if first else store.step("drafts moved out of the way of a person's cues"):
        for turn, answer in zip(turns, answers, strict=True):
            cue = cues[turn.place.id]
            known = dict(offered[cue])
            more = [(text, score) for text, score in answer.scored if text.strip() and text not in known]
            store.offer(cue, [*offered[cue], *more])
            shorter[cue] = tuple(text for text, _ in more)
        place_cues(store, spoken, film_schedule(store, spoken) if shorter else found, shorter)


def _drafts_covered(store: ProjectStore) -> bool:
    """Whether a draft is spoken while a cue is that a person wrote or approved."""
    cues = [cue for cue in store.cues if not cue.extended]
    settled = [cue.span for cue in cues if cue.settled]
    return any(not cue.settled and any(map(cue.span.overlap_ms, settled)) for cue in cues)


def _words_to_ask(found: Schedule, spoken: SpokenLength) -> dict[str, int]:
    """In how many words what does not fit is to be said, by cue; and what is said in the same silence, to make room.

    A captioner that is given a limit offers what it finds below, so the limit is as wide as helps.
    """
    full = {one.silence for one in found.placed if one.left is Left.FULL}
    limits = {}
    for one in found.placed:
        if one.silence is None or one.candidate is None or one.item.fixed is not None:
            continue
        if one.item.kind is not CueKind.PICTURE:
            continue  # what stands on the screen is nothing that a model could say
        shortest = min(one.item.candidates, key=lambda candidate: candidate.spoken_ms)
        words = len(shortest.text.split()) - 1
        if one.left is Left.TOO_LONG:
            room = one.silence.end_ms - max(one.silence.start_ms, one.item.window.start_ms)
            words = min(words, words_within(one.candidate.text, room, spoken))
        if (one.left is Left.TOO_LONG or one.silence in full) and words >= FEWEST_WORDS:
            limits[one.item.id] = words
    return limits
