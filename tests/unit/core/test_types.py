"""Scripts keep their cues in time order; nouns do not change."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calvin.core.time import Span
from calvin.core.types import Author, Cue, Frame, Place, Scene, Script, Status


def cue(name: str, start: int, end: int) -> Cue:
    return Cue(name, Span(start, end), "Ann waves.", Span(0, end), event_ms=start)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=12), st.randoms())
def test_cues_stand_in_time_order_however_they_came(pairs: list[tuple[int, int]], random: object) -> None:
    cues = [cue(f"c{number}", min(pair), max(pair)) for number, pair in enumerate(pairs)]
    script = Script("Film", tuple(cues))
    starts = [one.span.start_ms for one in script.cues]
    assert starts == sorted(starts)
    random.shuffle(cues)  # type: ignore[attr-defined]
    assert Script("Film", tuple(cues)) == script
    assert replace(script, title="Other").cues == script.cues


def test_a_cue_starts_as_a_draft_by_the_model() -> None:
    one = cue("a", 0, 10)
    assert (one.author, one.status, one.extended) == (Author.MODEL, Status.DRAFT, False)


def test_nouns_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        cue("a", 0, 10).text = "other"  # type: ignore[misc]


def test_a_still_does_not_print_its_bytes() -> None:
    assert repr(Frame(5, b"\xff" * 99)) == "Frame(time_ms=5)"


def test_a_scene_needs_neither_features_nor_frames() -> None:
    scene = Scene("s1", "film", Span(0, 1000))
    assert scene.image_embeds is None
    assert scene.frames is None
    assert len({scene, Scene("s1", "film", Span(0, 1000))}) == 2


def test_a_place_is_taken_by_what_is_about_it() -> None:
    place = Place(Span(10_000, 14_000), Span(8000, 14_000), 11_000)

    def taken(start: int, end: int, about: Span | None = None) -> bool:
        span = Span(start, end)
        return place.taken_by(Cue("1", span, "x", about or span, 0))

    assert taken(20_000, 22_000, Span(9000, 13_000)), "wherever it is spoken"
    assert not taken(10_500, 13_500, Span(4000, 8000)), "it only makes use of the time"
    assert taken(10_500, 10_600), "what it is about is not known but by its time"
    assert taken(9000, 12_500)
    assert not taken(9000, 11_000)


def test_a_place_is_taken_by_parts_that_are_about_most_of_it() -> None:
    place = Place(Span(10_000, 14_000), Span(8000, 14_000), 11_000)

    def taken(*about: tuple[int, int]) -> bool:
        return place.taken(Cue("1", Span(20_000, 22_000), "x", Span(*one), 0) for one in about)

    assert taken((8000, 11_000), (11_000, 14_000)), "the halves of one that was split"
    assert not taken((8000, 11_000)), "the other half was deleted"
    assert not taken((8000, 10_500), (8500, 11_000)), "what two tell of the same moment counts once"
    assert not taken((4000, 9900), (12_100, 18_000)), "those before and after it only reach into it"
    assert not taken()
