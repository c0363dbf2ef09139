"""Words that fit their place when spoken: the best that do, else fewer, else a pause of the film; never cut ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from calvin.captioners import CaptionAnswer, Captioner, CaptionRequest
from calvin.captioners.answers import is_sound, says_again
from calvin.core.time import in_s
from calvin.studio.project.contents import Choice, Decision
from calvin.studio.project.timing import SpokenLength, words_within

FEWEST_WORDS = 3
"""No sentence worth hearing is asked for in fewer words."""
NOT_AGAIN = 3
"""How many cues back a description is not repeated."""


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


def fit_all(asked: Sequence[Asked], captioner: Captioner, spoken: SpokenLength) -> list[Fitted]:
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
    offered = dict.fromkeys((answer.text, *answer.candidates))
    return [text for text in offered if is_sound(text, None) and not any(says_again(text, old) for old in one.said)]


def _from_beam(one: Asked, spoken: SpokenLength) -> Fitted | None:
    """The best candidate that fits, or the reason to say nothing; None where there are only longer ones."""
    sound, text = _sound(one, one.answer), one.answer.text
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
