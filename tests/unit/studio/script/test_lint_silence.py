"""Silence that is left unused while there is something to say, against cases laid out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from calvin.core.time import Span
from calvin.core.types import Author, Character, Cue, CueKind, Place, Script
from calvin.studio.project.timing import EstimatedLength, MeasuredLength
from calvin.studio.script.lint import lint
from calvin.studio.script.lint_silence import unused_silence

FOUR_S, TOO = "She looks out of the window.", "He waits in the rain."
SPOKEN = MeasuredLength({FOUR_S: 4000, TOO: 4000}, EstimatedLength())


def cue(name: str, start: int, end: int, text: str = FOUR_S, about: Span | None = None, **options: Any) -> Cue:
    visual = about or Span(start, end)
    return Cue(name, Span(start, end), text, visual, visual.middle_ms, **options)


def found(cues: list[Cue], gaps: list[Span], **options: Any) -> list[tuple[str, str, str]]:
    return [(one.id, what, todo) for one, what, todo in unused_silence(cues, gaps, SPOKEN, **options)]


def test_a_pause_that_the_silence_holds_if_others_move() -> None:
    cues = [cue("1", 2000, 6000), cue("2", 6000, 6500, TOO, extended=True, about=Span(5000, 8000))]
    [(name, what, todo)] = found(cues, [Span(0, 9500)])
    assert name == "2"
    assert what == "The film is to pause for it, yet it fits into the silence of 9.5 s there if others move."
    assert "`calvin voice` moves drafts so." in todo
    assert found(cues, [Span(0, 7000)]) == [], "the silence as a whole cannot hold both"


def test_what_a_person_placed_does_not_move() -> None:
    cues = [cue("1", 3000, 7000, author=Author.HUMAN), cue("2", 7000, 7500, TOO, extended=True, about=Span(5000, 8000))]
    assert found(cues, [Span(0, 9500)]) == []
    [(name, what, todo)] = found(cues, [Span(0, 12_000)])
    assert (name, what.endswith("there.")) == ("2", True)
    assert todo == "Say it at 00:00:07.300."


def test_nothing_that_is_said_gives_way_to_a_pause() -> None:
    """Either fits, not both: `calvin voice` would leave them as they are."""
    about = Span(2000, 6000)
    sign = cue("1", 3000, 7000, about=about, kind=CueKind.TEXT)
    for said in (sign, replace(sign, kind=CueKind.PICTURE)):
        assert found([said, cue("2", 2000, 2500, TOO, extended=True, about=about)], [Span(2000, 7000)]) == []
    pauses = [cue("2", 2000, 2500, TOO, extended=True, about=about), cue("3", 2000, 2500, extended=True, about=about)]
    assert len(found([sign, *pauses[:1]], [Span(0, 12_000)])) == 1


def test_what_may_not_be_said_there_is_not_asked_for() -> None:
    again = [cue("1", 2000, 6000), cue("2", 6000, 6500, extended=True, about=Span(5000, 8000))]
    assert found(again, [Span(0, 9500)]) == [], "its words were just said"
    named = [cue("1", 2000, 2500, "Mara waits in the rain.", extended=True, about=Span(2000, 6000))]
    assert len(found(named, [Span(0, 9500)])) == 1
    assert found(named, [Span(0, 9500)], characters=[Character("Mara", known_from_ms=9000)]) == []


def test_a_pause_that_a_person_made_is_weighed_with_nothing_moved() -> None:
    pause = cue("2", 6000, 6500, TOO, extended=True, about=Span(5000, 8000), author=Author.HUMAN)
    assert found([cue("1", 2000, 6000), pause], [Span(0, 9500)]) == [], "`calvin voice` moves nothing for it"
    assert found([cue("1", 500, 4500), pause], [Span(0, 9500)])[0][2] == "Say it at 00:00:05.000."


def test_a_cue_counts_from_the_place_that_it_was_written_for() -> None:
    cues = [cue("1", 20_000, 20_500, extended=True, about=Span(5000, 8000))]
    gaps = [Span(18_000, 30_000)]
    assert [name for name, *_ in found(cues, gaps)] == ["1"]
    place = Place(Span(6000, 7000), Span(5000, 8000), 6500)
    assert found(cues, gaps, places={"1": place}) == []


def test_a_long_silence_with_shots_that_nothing_describes() -> None:
    cues = [cue("1", 0, 4000), cue("2", 40_000, 44_000)]
    shots = [Span(0, 4000), Span(4000, 15_000), Span(15_000, 40_000), Span(40_000, 44_000)]
    [(name, what, todo)] = found(cues, [Span(0, 44_000)], shots=shots)
    assert (name, todo) == ("1", "Say what happens there.")
    assert what == "In the silence of 35.4 s after it, 1 shot begins."
    assert found(cues, [Span(0, 44_000)]) == [], "without shots nobody knows"
    told = [cue("1", 0, 4000, about=Span(0, 40_000)), cues[1]]
    assert found(told, [Span(0, 44_000)], shots=shots) == []
    assert found(cues, [Span(0, 20_000), Span(30_000, 44_000)], shots=shots) == [], "talk breaks the silence"
    assert found([], [Span(0, 44_000)], shots=shots) == []


def test_the_rule_is_one_of_lints() -> None:
    cues = (cue("1", 2000, 6000), cue("2", 6000, 6500, TOO, about=Span(5000, 8000), extended=True))
    script = Script("Film", cues, duration_ms=20_000)
    [finding] = lint(script, [Span(9800, 20_000)], spoken=SPOKEN)
    assert (finding.rule, finding.cue.id) == ("unused-silence", "2")
