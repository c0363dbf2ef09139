"""Room to speak in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from calvin.core.time import Span
from calvin.core.types import Cue
from calvin.studio.project.timing import EstimatedLength, MeasuredLength, free_part, rooms, words_in, words_within

SPOKEN = EstimatedLength(160)


def test_what_is_free_of_a_place() -> None:
    place = Span(10, 20)
    assert free_part(place, []) == place
    assert free_part(place, [Span(0, 10), Span(20, 30)]) == place
    assert free_part(place, [Span(0, 12), Span(18, 25)]) == Span(12, 18)
    assert free_part(place, [Span(11, 15), Span(12, 13)]) == Span(15, 20)
    assert free_part(place, [Span(5, 25), Span(0, 11)]) is None


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


_SPANS = st.lists(st.builds(lambda at, long: Span(at, at + long), st.integers(0, 40), st.integers(0, 15)), max_size=12)


@given(_SPANS, _SPANS)
def test_a_cue_has_room_until_the_next_thing_begins(spans: list[Span], lines: list[Span]) -> None:
    cues = [Cue(str(number), span, "Words.", span, span.start_ms) for number, span in enumerate(spans)]
    found = rooms(cues, lines, 45)
    for cue in cues:
        at = cue.span.start_ms
        in_a_line = any(line.start_ms <= at < line.end_ms for line in lines)
        later = [one.start_ms for one in (*lines, *spans) if one.start_ms > at]
        assert found[cue.id] == (0 if in_a_line else min([*later, 45]) - at)


def test_the_room_in_words_goes_by_the_language() -> None:
    assert words_in(7500, "en", SPOKEN) == 20  # 160 words a minute
    assert words_in(7500, "fr-CA", SPOKEN) == 20
    assert words_in(7500, "de", SPOKEN) == 17  # their words are longer
    assert words_in(7500, "fi", SPOKEN) == 14
    assert words_in(7500, "de", EstimatedLength(80)) == 8
    assert words_in(7500, "ja", SPOKEN) is None
    assert words_in(200, "en", SPOKEN) == 0
