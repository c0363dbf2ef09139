"""Story questions: what a listener is told, and what counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from calvin.core.errors import DataError
from calvin.evaluation.story_questions import (
    AskingReader,
    StoryQuestion,
    ask_story,
    chance,
    read_questions,
    write_questions,
)

LAMP = StoryQuestion("f", "3", "Who has the lamp now?", ("Ann", "Bob", "nobody"), "Bob", "who")
FIRST = StoryQuestion("f", "0", "Where is Ann?", ("cave", "beach"), "cave", "where")
FILMS = {"f": [("0", "Ann lifts the lamp."), ("1", "Bob takes it."), ("2", "Bob nods."), ("3", "Ann has it again.")]}


class Last:
    """Answers with whoever opens the first sentence that it is given."""

    name = "last"

    def answer(self, sentences: Sequence[str], question: StoryQuestion) -> str | None:
        assert "Ann has it again." not in sentences, "the scene itself is not shown"
        return sentences[0].split()[0] if sentences else None


def test_only_the_sentences_before_are_told_and_no_answer_is_wrong() -> None:
    score = ask_story("s", [LAMP, FIRST], FILMS, Last(), [1, 2, 3])
    assert score.right == {1: 1, 2: 1, 3: 0}  # with three, the first sentence is Ann's
    assert score.kinds == {"who": (0, 1), "where": (0, 1)}
    assert score.share(1) == 50.0
    assert chance([LAMP, FIRST]) == pytest.approx(100 * (1 / 3 + 1 / 2) / 2)
    with pytest.raises(DataError, match="1 of 1 questions are about scenes that s does not have, such as 9"):
        ask_story("s", [StoryQuestion("f", "9", "?", ("a", "b"), "a")], FILMS, Last(), [1])
    with pytest.raises(DataError, match="no question about these films"):
        ask_story("s", [], FILMS, Last(), [1])


def test_a_model_answers_by_letter() -> None:
    class Model:
        name, fingerprint = "m", ""
        asked = ""

        def complete(self, prompt: str) -> str:
            self.asked = prompt
            return "B."

    model = Model()
    assert AskingReader(model).answer(["Ann {lifts} the lamp."], LAMP) == "Bob"
    assert "- Ann {lifts} the lamp.\n" in model.asked
    assert "A: Ann\nB: Bob\nC: nobody\n" in model.asked
    model.complete = lambda prompt: "D"  # type: ignore[method-assign]
    assert AskingReader(model).answer([], LAMP) is None


def test_files_of_questions(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    write_questions(path, [LAMP, FIRST])
    assert read_questions(path) == [LAMP, FIRST]
    path.write_text('{"movie": "f"}\n')
    with pytest.raises(DataError, match="line 1 is no question"):
        read_questions(path)
    path.write_text('{"movie": "f", "scene": "0", "question": "?", "options": ["a", "b"], "answer": "c"}\n')
    with pytest.raises(DataError, match="the answer is one of"):
        read_questions(path)
