"""The action score, against sums done by hand from the authors' definition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from calvin.evaluation.metrics.action_score import ActionScore, Phrase, action_scores, plain_verb, present_actions
from calvin.evaluation.metrics.base import Pairs
from calvin.evaluation.names import from_names


def test_the_arithmetic_of_one_scene() -> None:
    # Two actions of the reference; the caption has two actions and a clause besides.
    likeness = np.array([[0.9, 0.5, 0.6], [0.2, 0.4, 0.7]])
    scores = action_scores(likeness, ["sit", "wave"], ["walk", "wave"])
    # sit: the most alike 0.9, no such verb: 0.8 * 0.9 = 0.72
    # wave: the most alike 0.7; the same verb at 0.4: 0.8 * 0.7 + 0.2 * 0.4 = 0.56 + 0.08 = 0.64
    assert scores == pytest.approx([0.72, 0.64], abs=1e-9)


def test_a_verb_that_was_not_found_is_the_same_as_none_and_no_action_leaves_the_sense() -> None:
    likeness = np.array([[0.5]])
    assert action_scores(likeness, [None], [None]) == pytest.approx([0.4], abs=1e-9)  # 0.8 * 0.5
    assert action_scores(likeness, ["sit"], []) == pytest.approx([0.4], abs=1e-9)
    # The same verb twice, once less alike than not at all: 0.8 * 0.5 + 0.2 * max(0, -0.1)
    assert action_scores(np.array([[-0.1, 0.5]]), ["sit"], ["sit", "run"]) == pytest.approx([0.4], abs=1e-9)


VECTORS = {"sits down.": (1.0, 0.0), "waves.": (0.6, 0.8), "Ann sits.": (0.8, 0.6), "sits.": (0.0, 1.0)}


def embed(texts: Sequence[str]) -> np.ndarray:
    return np.array([VECTORS[text] for text in texts])


def test_a_set_is_the_mean_of_its_scenes_shifted_and_stretched() -> None:
    pairs = Pairs(("a", "b", "c"), ("Ann sits.", "", "Ann sits."), (("x",), ("y",), ("z",)))
    given = {"a": [Phrase("sits down.", "sit"), Phrase("waves.", "wave")], "b": [Phrase("waves.", "wave")], "c": []}
    metric = ActionScore(embed, lambda text: [Phrase("sits.", "sit")] if text else [], given)
    [found] = metric.score_films(pairs, dict.fromkeys(pairs.ids, "f"))
    # Scene a. sits down: by (0, 1) 0, by the caption (0.8, 0.6) 0.8; same verb at 0: 0.8 * 0.8 + 0.2 * 0 = 0.64.
    # waves (0.6, 0.8): by "sits." 0.8, by the caption 0.48 + 0.48 = 0.96; no such verb: 0.8 * 0.96 = 0.768.
    # Mean 0.704; (0.704 - 0.25) * 2 = 0.908. Scene b says nothing: (0 - 0.25) * 2. Scene c has no action to tell.
    assert found.values == {"a": pytest.approx(0.908, abs=1e-9), "b": pytest.approx(-0.5, abs=1e-9)}
    assert "over 2 scenes" in found.setting


@pytest.mark.parametrize(
    ("text", "actions"),
    [
        ("Ann picks up the lamp and nods.", [("picks up the lamp.", "pick up"), ("nods.", "nod")]),
        ("In the hills, Otto watches his dogs.", [("watches his dogs.", "watch")]),
        ("She carries the boxes", [("carries the boxes.", "carry")]),
        ("The glass is empty; Ann's coat lies there.", [("lies there.", "lie")]),
        ("A dark street at night.", []),
    ],
)
def test_actions_of_sentences_in_the_present(text: str, actions: list[tuple[str, str]]) -> None:
    assert [(found.text, found.verb) for found in present_actions(text)] == actions


@pytest.mark.parametrize(
    ("word", "plain"),
    [("goes", "go"), ("passes", "pass"), ("pushes", "push"), ("rises", "rise"), ("cries", "cry"), ("throws", "throw")],
)
def test_plain_forms(word: str, plain: str) -> None:
    assert plain_verb(word) == plain


def test_who_does_it_matters_little_and_what_is_done_much() -> None:
    """With the vectors that are at hand: the same action by another, the action in other words, and another action."""
    reference = ("Mara picks up the lamp.",)
    texts = ("Otto picks up the lamp.", "Mara lifts the lamp.", "Mara sleeps on the ground.")
    pairs = Pairs(("a", "b", "c"), texts, (reference,) * 3)
    [found] = ActionScore.of().score_films(pairs, dict.fromkeys("abc", "f"), from_names(["Mara", "Otto"], "test"))
    assert found.values["a"] > 0.9
    assert found.values["a"] > found.values["b"] > found.values["c"] + 0.3
    assert not found.comparable
