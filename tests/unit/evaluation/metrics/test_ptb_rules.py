from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from calvin.evaluation.metrics.ptb_rules import RULES

PIECES = st.lists(
    st.one_of(
        st.sampled_from("aAzZ09'\"`.,-!?:;()[]{}<>&/\\@#$%_+=*~|é’‘“”—…½² \u00a0\u00ad"),
        st.sampled_from(
            ["Mr.", "U.S.", "don't", "cannot", "'tis", "etc.", "&amp;", "1/2", "C++", "www.a.com", "555-1234"]
        ),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=300, deadline=None)
@given(PIECES)
def test_no_rule_matches_where_its_first_characters_say_it_cannot(pieces: list[str]) -> None:
    line = "".join(pieces) + "\nx"
    for rule in RULES:
        if rule.starts is not None and not re.match(rule.starts, line[0]):
            assert rule.pattern.match(line) is None, rule.pattern.pattern[:60]


@settings(max_examples=200, deadline=None)
@given(PIECES)
def test_a_rule_never_gives_back_all_that_it_found(pieces: list[str]) -> None:
    line = "".join(pieces) + "\nx"
    for rule in RULES:
        match = rule.pattern.match(line)
        if match:
            assert len(match[1]) > rule.give_back >= 0
