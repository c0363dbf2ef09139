from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from calvin.core.time import Span
from calvin.data import Sample, with_context


def scene(movie: str | None, start: int, caption: str) -> Sample:
    span = None if movie is None else Span(start, start + 500)
    return Sample(caption, "mad_csv", movie or caption, "video", caption, span, movie=movie)


def test_three_captions_before_oldest_first() -> None:
    scenes = [scene("a", n * 1000, f"c{n}") for n in range(6)]
    contexts = [sample.context for sample in with_context(scenes)]
    assert contexts == [(), ("c0",), ("c0", "c1"), ("c0", "c1", "c2"), ("c1", "c2", "c3"), ("c2", "c3", "c4")]


def test_order_is_by_start_and_no_movie_reaches_into_another() -> None:
    scenes = [scene("a", 9000, "late"), scene("b", 0, "other"), scene("a", 1000, "early"), scene(None, 0, "clip")]
    result = with_context(scenes)
    assert [(sample.caption, sample.context) for sample in result] == [
        ("early", ()),
        ("late", ("early",)),
        ("other", ()),
        ("clip", ()),
    ]


def test_no_context_on_request() -> None:
    assert all(not sample.context for sample in with_context([scene("a", n, str(n)) for n in range(4)], count=0))


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 50)), max_size=20),
    st.integers(0, 5),
)
def test_the_context_is_what_stands_before(rows: list[tuple[str, int]], count: int) -> None:
    scenes = [scene(movie, start, f"{movie}{start}-{index}") for index, (movie, start) in enumerate(rows)]
    result = with_context(scenes, count)
    assert sorted(sample.id for sample in result) == sorted(sample.id for sample in scenes)
    for movie in "abc":
        own = [sample for sample in result if sample.movie == movie]
        assert [sample.span for sample in own] == sorted(sample.span for sample in own if sample.span)
        for index, sample in enumerate(own):
            assert sample.context == tuple(other.caption for other in own[max(0, index - count) : index])
