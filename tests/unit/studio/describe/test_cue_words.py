"""Which words are said where: the best that fit, fewer, a pause, or none."""

from __future__ import annotations

from calvin.captioners import CaptionAnswer, CaptionerInfo, CaptionRequest
from calvin.core.prompts import Prompt
from calvin.core.time import Span
from calvin.core.types import Cue, Scene
from calvin.studio.describe.cue_words import Asked, fit_all
from calvin.studio.project.contents import Choice
from calvin.studio.project.timing import EstimatedLength, MeasuredLength, rooms, words_within

SPOKEN = EstimatedLength(160)
LONG = "On the street, Aldo, in a blue jacket, helps Olga, in an orange jacket, to stand up again."
SHORT = "Aldo helps Olga to stand up."


class Shortener:
    """Answers every request for fewer words with one text, and keeps what it was asked for."""

    info = CaptionerInfo("shortener")
    needs = frozenset({"frames"})

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.limits: list[int | None] = []

    def caption(self, requests: list[CaptionRequest]) -> list[CaptionAnswer]:
        self.limits += [request.max_words for request in requests]
        return [CaptionAnswer(self.text, 0.0) for _ in requests]


def asked(*candidates: str, room_ms: int = 4000, said: tuple[str, ...] = ()) -> Asked:
    request = CaptionRequest(Scene("1", "film", Span(0, 9000)), Prompt())
    return Asked(request, CaptionAnswer(candidates[0], 0.0, candidates), room_ms, said)


def fitted(one: Asked, shortener: Shortener | None = None) -> tuple[str, Choice, str]:
    [found] = fit_all([one], shortener or Shortener(), SPOKEN)
    return found.text, found.decision.choice, found.decision.reason


def test_the_best_is_said_where_it_fits() -> None:
    assert fitted(asked(LONG, SHORT, room_ms=9000))[:2] == (LONG, Choice.BEST)


def test_else_the_best_candidate_that_fits() -> None:
    text, choice, reason = fitted(asked(LONG, LONG.replace("blue", "red"), SHORT, "Aldo helps."))
    assert (text, choice) == (SHORT, Choice.CANDIDATE)
    assert reason == "The best takes 6.8 s; the best other that fits takes 2.2 s of 4.0 s."


def test_else_a_shorter_one_is_asked_for_in_as_many_words_as_fit() -> None:
    shortener = Shortener(SHORT)
    text, choice, reason = fitted(asked(LONG), shortener)
    assert (text, choice) == (SHORT, Choice.SHORTER)
    assert shortener.limits == [18 * 4000 // 6750]
    assert "asked for 10 words, the model says it in 2.2 s" in reason


def test_else_the_film_pauses_and_nothing_is_cut() -> None:
    for answer in ("", LONG, "Said just now."):
        text, choice, reason = fitted(asked(LONG, said=("He says: said just now.",)), Shortener(answer))
        assert (text, choice) == (LONG, Choice.EXTENDED)
        assert "no whole sentence of 10 words: the film pauses" in reason
    shortener = Shortener(SHORT)
    assert fitted(asked(LONG, room_ms=600), shortener)[1] is Choice.EXTENDED
    assert shortener.limits == [], "no sentence of one word is asked for"


def test_nothing_is_said_twice() -> None:
    said = ("Aldo waves.", "Olga, in red, sits down.")
    assert fitted(asked("Aldo waves!", "Olga laughs.", said=said))[:2] == ("Olga laughs.", Choice.CANDIDATE)
    text, choice, reason = fitted(asked("sits down", "Aldo waves", said=said))
    assert (text, choice, reason) == ("", Choice.REPEATED, '"sits down" was said just before.')
    assert fitted(asked("Olga sits down.", said=said))[1] is Choice.BEST, "only all of it is a repeat"


def test_a_model_without_words_is_silent() -> None:
    assert fitted(asked(" . ", ""))[:2] == ("", Choice.SILENT)


def test_many_are_asked_together_and_stay_in_their_order() -> None:
    shortener = Shortener(SHORT)
    many = [asked(LONG, room_ms=room) for room in (9000, 4000, 600, 3000)]
    found = fit_all(many, shortener, SPOKEN)
    assert [one.decision.choice for one in found] == [Choice.BEST, Choice.SHORTER, Choice.EXTENDED, Choice.SHORTER]
    assert shortener.limits == [10, 8]


def test_lengths_by_words_and_by_letters() -> None:
    assert SPOKEN.ms("one two three four") == 1500
    assert SPOKEN.ms("Photographers congratulate Alexandrina.") > SPOKEN.ms("He is on it.")
    assert EstimatedLength(80).ms("one two three four") == 3000
    assert SPOKEN.ms("Go.") == 750
    measured = MeasuredLength({"Go.": 400}, SPOKEN)
    assert (measured.ms("Go."), measured.ms("No.")) == (400, 750)
    assert words_within("one two three four", 750, SPOKEN) == 2


def test_the_room_of_a_cue_ends_where_something_else_begins() -> None:
    def cue(number: int, start: int) -> Cue:
        return Cue(str(number), Span(start, start + 500), "x", Span(0, 1), 0)

    cues = [cue(1, 0), cue(2, 3000), cue(3, 5500), cue(4, 9000), cue(5, 20_000)]
    assert rooms(cues, [Span(5000, 6000), Span(8000, 8500)], 12_000) == {
        "1": 3000,
        "2": 2000,
        "3": 0,
        "4": 3000,
        "5": 0,
    }
    assert rooms(cues[:1], [], None) == {"1": 500}


def test_an_answer_that_no_cue_can_hold_is_reported_and_the_film_goes_on() -> None:
    endless = " ".join(f"word{number}" for number in range(400)) + "."
    text, choice, reason = fitted(asked(endless))
    assert (text, choice) == ("", Choice.SILENT)
    assert reason == f"The model's answer has {len(endless):,} characters, and a cue has 2,000 at most."
    assert fitted(asked(endless, SHORT))[:2] == (SHORT, Choice.CANDIDATE)
