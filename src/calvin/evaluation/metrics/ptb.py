"""Penn Treebank tokens for captions, as coco-caption's scores need them, without Java.

The reference is the PTBTokenizer of Stanford CoreNLP 3.4.1 (options `-preserveLines -lowerCase`) followed by the
removal of a list of punctuation tokens; a difference here moves CIDEr by whole points. That tokenizer is a scanner: at
each place the rule with the longest match wins (what a rule must see behind its token counts), the earlier one among
equals. The rules are in `ptb_rules`.

Each text is taken alone. (The Java program reads a whole file, and there the capital that begins the next line can
decide whether the full stop of a line's last abbreviation is doubled; the tokens left after the removal of
punctuation differ only for a line that ends in a single letter and a full stop.)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Literal

from calvin.evaluation.metrics.base import Pairs
from calvin.evaluation.metrics.ptb_rules import ASSIMILATED, RULES, Rule

Tokenizer = Literal["ptb", "whitespace"]

REMOVED = frozenset(
    ["''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--", "...", ";"]
)
"""Tokens that are dropped. Brackets are compared after lower-casing and so stay, as in coco-caption."""

LINE_BREAKS = re.compile("\r\n|[\r\n\u2028\u2029\x0b\x0c]")
PLAIN = re.compile(r"[A-Za-z]{2,}(?=,? |\n)")  # a word of which no rule could make anything else
REST = "\nx"  # a line is followed by another; what that one holds must not matter


def ptb_tokenize(text: str) -> list[str]:
    """The tokens of a caption in lower case, without punctuation. Empty for a text of nothing but punctuation."""
    return [token for token in _scan(text) if token not in REMOVED]


def tokenize(text: str, tokenizer: Tokenizer = "ptb") -> Sequence[str]:
    """Tokens as coco-caption makes them ("ptb": lower case, punctuation removed), or text split at white space."""
    return ptb_tokenize(text) if tokenizer == "ptb" else text.split()


def tokenize_pairs(pairs: Pairs, tokenizer: Tokenizer) -> tuple[list[Sequence[str]], list[Sequence[str]]]:
    """The tokens of each candidate [N] and of each reference, those of one item after those of another [R]."""
    split: Callable[[str], Sequence[str]] = ptb_tokenize if tokenizer == "ptb" else str.split
    return ([split(text) for text in pairs.candidates], [split(text) for texts in pairs.references for text in texts])


@lru_cache(maxsize=65536)
def _scan(text: str) -> tuple[str, ...]:
    """All tokens in lower case. Characters that the scanner does not know are dropped."""
    line = LINE_BREAKS.sub(" ", text) + REST
    end = len(line) - len(REST)
    tokens: list[str] = []
    place = 0
    while place < end:
        plain = PLAIN.match(line, place)
        if plain and plain[0].lower() not in ASSIMILATED:
            tokens.append(plain[0].lower())
            place = plain.end()
            continue
        if line[place] == " ":
            place += 1
            continue
        token, place = _next(line, place)
        if token:
            tokens.append(token.lower())
    return tuple(tokens)


def _next(line: str, place: int) -> tuple[str, int]:
    """The token at `place` (empty for an unknown character) and where the next one may begin."""
    best: Rule | None = None
    longest = length = 0
    for rule in _rules_for(line[place]):
        match = rule.pattern.match(line, place)
        if match and match.end() - place > longest:
            best, longest, length = rule, match.end() - place, match.end(1) - place
    if best is None:
        return "", place + 1
    found = line[place : place + length]
    return best.write(found), place + length - best.give_back


@lru_cache(maxsize=4096)
def _rules_for(character: str) -> tuple[Rule, ...]:
    """The rules whose tokens can begin with this character."""
    return tuple(rule for rule in RULES if rule.starts is None or re.match(rule.starts, character))
