from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calvin.evaluation.metrics import align, ptb_tokenize, tokenize
from calvin.evaluation.metrics.ptb import REMOVED, _scan, tokenize_pairs

CASES = {  # as the Java program gives them
    "A man walks.": "a man walks",
    "She doesn't say it's Mary's, she'll wait.": "she does n't say it 's mary 's she 'll wait",
    "I cannot; we're gonna wanna gimme.": "i can not we 're gon na wan na gim me",
    "'Tis said 'twas so.": "'t is said 't was so",
    "It costs £5, €3.50, $US 4 or 50¢.": "it costs # 5 $ 3.50 $ us 4 or 50 cents",
    "Half is ½ (one half) [sic] {x}.": "half is 1/2 -lrb- one half -rrb- -lsb- sic -rsb- -lcb- x -rcb-",
    "“Stop!” he says — quickly … and leaves": "stop he says quickly and leaves",
    "Mr. Smith of Acme Inc. lives in the U.S. now.": "mr. smith of acme inc. lives in the u.s. now",
    "rock 'n' roll of the '90s and the 1980's": "rock 'n' roll of the '90s and the 1980 's",
    "a well-known 20-year-old mother-in-law": "a well-known 20-year-old mother-in-law",
    "See http://foo.com/a?b=c, or www.example.com.": "see http://foo.com/a?b=c or www.example.com",
    "He mixes 2 1/2 cups": "he mixes 2\u00a01/2 cups",
    "WHAT?! Wow!!": "what ?! wow !!",
    "y'all know o'clock and O'Brien": "y' all know o'clock and o'brien",
    "café in Zürich, 日本語": "café in zürich 日本語",
    "a smile 😀 between": "a smile between",
    "soft\u00adhyphen and zero\u200bwidth": "softhyphen and zero width",
    "He likes AT&T and C++ &amp; C#": "he likes at&t and c++ & c#",
    "50% of 3,000.50 at 12:55": "50 % of 3,000.50 at 12:55",
}


@pytest.mark.parametrize(("text", "expected"), CASES.items())
def test_known_texts(text: str, expected: str) -> None:
    assert " ".join(ptb_tokenize(text)) == expected


def test_the_list_of_punctuation_leaves_what_coco_caption_leaves() -> None:
    assert ptb_tokenize("(a) b!! c - d -- e ... f ' g") == ["-lrb-", "a", "-rrb-", "b", "!!", "c", "d", "e", "f", "g"]
    assert ptb_tokenize(". , ; : ? ! `` ''") == []
    assert ptb_tokenize("") == []


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_text_gives_small_letters_without_spaces_or_removed_tokens(text: str) -> None:
    tokens = ptb_tokenize(text)
    assert all(token and " " not in token and token not in REMOVED for token in tokens)
    assert all(token == token.lower() for token in tokens)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["man", "runs", "shirt", "o'clock", "Mary's", "don't", "well-known"]), max_size=8))
def test_splitting_at_spaces_does_not_matter_for_plain_words(words: list[str]) -> None:
    whole = list(_scan(" ".join(words)))
    assert whole == [token for word in words for token in _scan(word)]


def test_line_breaks_inside_a_caption_are_spaces() -> None:
    assert ptb_tokenize("a man\nruns\r\nfast\u2028away") == ["a", "man", "runs", "fast", "away"]


def test_the_two_ways_to_split() -> None:
    assert list(tokenize("He's here, now.")) == ["he", "'s", "here", "now"]
    assert list(tokenize("He's here, now.", "whitespace")) == ["He's", "here,", "now."]


def test_references_come_one_after_the_other() -> None:
    pairs = align({"1": "A.", "2": "B."}, {"1": ["C.", "D."], "2": ["E."]})
    candidates, references = tokenize_pairs(pairs, "ptb")
    assert [list(words) for words in candidates] == [["a."], ["b."]]
    assert [list(words) for words in references] == [["c."], ["d."], ["e."]]
