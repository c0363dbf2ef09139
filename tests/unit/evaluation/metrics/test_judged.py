"""Measures by judges, with judges whose answers are told beforehand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from calvin.core.errors import DataError, UsageError
from calvin.evaluation.metrics import judged
from calvin.evaluation.metrics.base import Pairs
from calvin.evaluation.metrics.judged import KeptJudge, LlmAdEval, Ratings, StoryRecall, number_in, read_prompt, six_in
from calvin.evaluation.raters import DIMENSIONS
from calvin.evaluation.scoring import Judges, check_metrics, score_set

PAIRS = Pairs(("a", "b", "c"), ("Ann waves.", "Bob {bows}.", ""), (("Ann waves.",), ("Bob sits.",), ("Cy runs.",)))
FILMS = {"a": "f", "b": "f", "c": "g"}


class Told:
    """Answers by what stands in the prompt, and remembers what it was asked."""

    fingerprint = "f00d"

    def __init__(self, name: str, answer: Callable[[str], str]) -> None:
        self.name, self.answer = name, answer
        self.asked: list[str] = []

    def complete(self, prompt: str) -> str:
        self.asked.append(prompt)
        return self.answer(prompt)


def test_llm_ad_eval_of_two_judges_and_their_agreement() -> None:
    kind = Told("kind", lambda prompt: "5" if '"Ann waves."\nBy a program' in prompt else "Score: 3/5")
    strict = Told("strict", lambda prompt: "4." if '"Ann waves."\nBy a program' in prompt else "1")
    metric = LlmAdEval.of().judged_by([kind, strict])
    first, second = metric.score_films(PAIRS, FILMS)
    assert first.values == {"a": 5.0, "b": 3.0, "c": 0.0}
    assert second.values == {"a": 4.0, "b": 1.0, "c": 0.0}
    assert len(kind.asked) == 2, "what says nothing is 0 without asking"
    assert 'By a program: "Bob {bows}."' in kind.asked[1]
    # Squared steps: 1, 4, 0 of three: 5/3. By chance, {5, 3, 0} and {4, 1, 0}: 1 16 25, 1 4 9, 16 1 0: 73 / 9.
    assert f"weighted kappa {1 - (5 / 3) / (73 / 9):.3f}" in first.setting
    assert "the same in 33% of 3" in first.setting
    assert first.name == "LLM-AD-eval by kind"
    assert first.scale == 1
    assert not first.comparable


def test_story_recall_asks_each_reference_of_the_whole_stretch_of_its_film(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judged, "STORY", 2)
    judge = Told("j", lambda prompt: "Yes, it does." if '"Bob sits."' in prompt else "No")
    [found] = StoryRecall.of().judged_by([judge]).score_films(PAIRS, FILMS)
    assert found.values == {"a": 0.0, "b": 1.0, "c": 0.0}
    assert "- Ann waves.\n- Bob {bows}.\n" in judge.asked[0]
    assert "Ann waves." not in judge.asked[2], "film g has nothing of film f"


def test_ratings_by_a_model() -> None:
    judge = Told("j", lambda prompt: "5, 4, 3, 2, 1, 5" if 'to rate: "Ann' in prompt else "no idea")
    found = Ratings.of().judged_by([judge]).score_films(PAIRS, FILMS)
    assert [one.name for one in found] == [f"rated {name}" for name in DIMENSIONS]
    assert [one.values for one in found] == [{"a": float(n)} for n in (5, 4, 3, 2, 1, 5)]
    assert "2 answers could not be read" in found[0].setting
    assert 'The line before: "Ann waves."' in judge.asked[1]
    assert 'The line before: ""' in judge.asked[2]


@pytest.mark.parametrize(
    ("answer", "number"),
    [("{'score': 4}", 4), ("3/5", 3), ("I give it 0.", 0), ("10", None), ("3.5", None), ("7", None)],
)
def test_numbers_in_answers(answer: str, number: int | None) -> None:
    found = number_in(answer)
    assert found == number if number is not None else found != found


def test_six_numbers_or_none() -> None:
    assert six_in("1 2 3 4 5 5") == [1, 2, 3, 4, 5, 5]
    assert all(one != one for one in six_in("1, 2, 3, 4, 5"))


def test_no_judge_is_said_before_anything_is_done_and_an_unreadable_one_after() -> None:
    with pytest.raises(UsageError, match="give --judge"):
        check_metrics(["rouge", "llm-ad-eval"])
    dumb = Judges((Told("dumb", lambda _: "Hm."),))
    check_metrics(["llm-ad-eval"], dumb)
    spoken = Pairs(("a",), ("Ann waves.",), (("Ann waves.",),))
    scores = score_set(spoken, metrics=["rouge", "llm-ad-eval"], judges=dumb)
    assert scores.skipped == {
        "llm-ad-eval": "dumb gave no answer that could be read for LLM-AD-eval: take another --judge."
    }
    assert scores.get("ROUGE-L") is not None, "what others found is not lost"


def test_the_card_knows_who_was_asked_what(tmp_path: Path) -> None:
    path = tmp_path / "prompt.txt"
    path.write_text("{reference}|{caption}")
    judges = Judges((Told("j", lambda _: "2"),), read_prompt(path))
    digest = hashlib.sha256(b"{reference}|{caption}").hexdigest()
    assert judges.facts(["rouge", "LLM_AD_Eval"]) == f"j f00d; llm-ad-eval prompt {digest}"
    assert judges.facts(["rouge"]) == ""
    scores = score_set(PAIRS, FILMS, ["llm-ad-eval"], judges=judges)
    assert scores.measures[0].shown == pytest.approx(4 / 3)  # 2, 2 and 0
    path.write_text("{reference}")
    with pytest.raises(DataError, match=r"needs \{reference\} and \{caption\}"):
        read_prompt(path)


def test_nothing_is_asked_twice_and_a_line_cut_short_is_asked_again(tmp_path: Path) -> None:
    judge = Told("j", lambda prompt: prompt.upper())
    path = tmp_path / "judgements.jsonl"
    kept = KeptJudge(judge, path)
    assert [kept.complete("one"), kept.complete("one"), kept.complete("two")] == ["ONE", "ONE", "TWO"]
    path.write_bytes(path.read_bytes()[:-9])
    again = KeptJudge(judge, path)
    assert [again.complete("one"), again.complete("two")] == ["ONE", "TWO"]
    assert judge.asked == ["one", "two", "two"]
    assert [KeptJudge(judge, path).complete(word) for word in ("one", "two")] == ["ONE", "TWO"]
    assert judge.asked == ["one", "two", "two"]
