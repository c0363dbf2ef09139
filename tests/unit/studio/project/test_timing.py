"""Room to speak in."""

from __future__ import annotations

from calvin.core.time import Span
from calvin.studio.project.timing import free_part


def test_what_is_free_of_a_place() -> None:
    place = Span(10, 20)
    assert free_part(place, []) == place
    assert free_part(place, [Span(0, 10), Span(20, 30)]) == place
    assert free_part(place, [Span(0, 12), Span(18, 25)]) == Span(12, 18)
    assert free_part(place, [Span(11, 15), Span(12, 13)]) == Span(15, 20)
    assert free_part(place, [Span(5, 25), Span(0, 11)]) is None
