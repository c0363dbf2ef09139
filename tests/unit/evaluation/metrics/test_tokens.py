from __future__ import annotations

from calvin.evaluation.metrics import align, tokenize
from calvin.evaluation.metrics.tokens import tokenize_pairs


def test_the_two_ways_to_split() -> None:
    assert list(tokenize("He's here, now.")) == ["he", "'s", "here", "now"]
    assert list(tokenize("He's here, now.", "whitespace")) == ["He's", "here,", "now."]


def test_references_come_one_after_the_other() -> None:
    pairs = align({"1": "A.", "2": "B."}, {"1": ["C.", "D."], "2": ["E."]})
    candidates, references = tokenize_pairs(pairs, "ptb")
    assert [list(words) for words in candidates] == [["a."], ["b."]]
    assert [list(words) for words in references] == [["c."], ["d."], ["e."]]
