"""What a server counted, in whichever form it says so, and what that costs."""

from __future__ import annotations

import json

import pytest

from calvin.captioners.spending import Price, Spending, read_spending, spent_by
from calvin.core.errors import UsageError


@pytest.mark.parametrize(
    ("answer", "tokens"),
    [
        ({"usage": {"prompt_tokens": 812, "completion_tokens": 20, "total_tokens": 832}}, (812, 20)),
        ({"usage": {"input_tokens": 5, "output_tokens": 6}}, (5, 6)),
        ([{"usage": {"prompt_tokens": 7, "completion_tokens": 8}}], (7, 8)),
        ({"message": {"content": "x"}, "prompt_eval_count": 3, "eval_count": 4}, (3, 4)),
        ({"choices": []}, (0, 0)),
        ({"usage": {"prompt_tokens": "many", "completion_tokens": -1}}, (0, 0)),
        ({"usage": {"prompt_tokens": True}}, (0, 0)),
        ("words", (0, 0)),
    ],
)
def test_the_usage_of_an_answer(answer: object, tokens: tuple[int, int]) -> None:
    assert read_spending(json.dumps(answer).encode()) == Spending(1, *tokens)


def test_the_usage_of_a_stream_stands_in_its_last_event() -> None:
    events = [{"choices": [{}]}, {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}}]
    body = ": comment\n" + "".join(f"data: {json.dumps(one)}\n\n" for one in events) + "data: [DONE]\n"
    assert read_spending(body.encode()) == Spending(1, 9, 2)
    assert read_spending(b"\xff not an answer") == Spending(1)


def test_a_price_is_for_a_million_tokens() -> None:
    spent = Spending(3, 2_000_000, 100_000) + Spending(1, 500_000, 0)
    assert Price.parse("0.2/1").of(spent) == pytest.approx(0.6)
    assert spent - Spending(3, 2_000_000, 100_000) == Spending(1, 500_000, 0)
    assert spent_by(object()) == Spending()
    for wrong in ("0.2", "a/b", "-1/2", "nan/1", "1/2/3", ""):
        with pytest.raises(UsageError, match="no price"):
            Price.parse(wrong)
