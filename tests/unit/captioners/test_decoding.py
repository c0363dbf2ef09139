"""How captions are searched, and that each rule does what the card says, on the tiny model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calvin.captioners import CaptionRequest, open_captioner
from calvin.captioners.adapted import AdaptedCalvin
from calvin.captioners.base import OpenOptions
from calvin.captioners.calvin import Calvin
from calvin.captioners.decoding import RULES, CaptionDecoding
from calvin.core.errors import ConfigError, UsageError
from calvin.core.prompts import Prompt
from calvin.core.time import Span
from calvin.core.types import Scene


@pytest.fixture(scope="module")
def calvin(tiny_model: Path) -> Calvin:
    return Calvin.from_pretrained(tiny_model)


@pytest.fixture(autouse=True)
def _as_before(calvin: Calvin):
    yield
    calvin.decoding = CaptionDecoding()


def request(seed: int = 1, *context: str) -> CaptionRequest:
    embeds = np.random.default_rng(seed).normal(size=(5, 24)).astype(np.float32)
    return CaptionRequest(Scene(f"s{seed}", "film", Span(0, 1000), embeds), Prompt(context=context))


def test_what_a_command_was_given() -> None:
    assert CaptionDecoding.named() is None
    paper = CaptionDecoding.named("paper", 3, 0.7)
    assert paper is not None
    assert (paper.rules, paper.words, paper.label) == ((), "plain beam search", "paper-b3-t0.7")
    some = CaptionDecoding.named("cut_loops, no-repeats")
    assert some is not None
    assert (some.rules, some.label) == (("no-repeats", "cut-loops"), "no-repeats-cut-loops")
    assert CaptionDecoding.named("guarded") == CaptionDecoding()
    assert CaptionDecoding().label == ""
    with pytest.raises(UsageError, match="not 'papper'"):
        CaptionDecoding.named("papper")
    with pytest.raises(ConfigError, match="no rule 'x'"):
        CaptionDecoding.load({"rules": ("x",)})


def test_the_papers_search_is_the_models_own(calvin: Calvin) -> None:
    calvin.decoding = CaptionDecoding(rules=())
    [answer] = calvin.caption([request()], max_new_tokens=12)
    inputs = calvin.processor([request().prompt], image_embeds=[request().scene.image_embeds])
    [row] = calvin.model.generate_candidates(**inputs, num_beams=5, max_new_tokens=12)
    plain = calvin.processor.captions([list(candidate.token_ids) for candidate in row])
    assert list(answer.candidates) == plain
    assert answer.text == plain[0]
    [again] = calvin.caption([request(1, plain[0])], max_new_tokens=12)
    assert again.text == again.candidates[0], "what was said before is not looked at"


@pytest.mark.parametrize(
    ("texts", "rule", "plain", "ruled"),
    [
        (["a man waves", "a woman bows"], "other-beam", "a man waves", "a woman bows"),
        (["a man in red in red in red in red"], "cut-loops", "a man in red in red in red in red", "a man in red."),
        ([", a man waves."], "tidy-start", ", a man waves.", "A man waves."),
    ],
)
def test_each_rule_by_itself(calvin: Calvin, texts: list[str], rule: str, plain: str, ruled: str) -> None:
    for rules, expected in (((), plain), ((rule,), ruled)):
        calvin.decoding = CaptionDecoding(rules=rules)
        begun = [calvin._begun(text) for text in texts]
        assert calvin._chosen(request(1, "A man waves!"), begun, [0.0] * len(texts)).text == expected


def test_four_tokens_may_come_twice_in_the_papers_search(calvin: Calvin, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[list[tuple[int, ...]]] = []
    search = calvin.model.generate_candidates

    def seen(**options):
        found = search(**options)
        rows.extend([candidate.token_ids for candidate in row] for row in found)
        return found

    monkeypatch.setattr(calvin.model, "generate_candidates", seen)

    def repeats(rules: tuple[str, ...]) -> int:
        rows.clear()
        calvin.decoding = CaptionDecoding(rules=rules, beams=1)
        calvin.caption([request(seed) for seed in range(6)], max_new_tokens=48)
        grams = [[ids[at : at + 4] for at in range(len(ids) - 3)] for row in rows for ids in row]
        return sum(len(each) - len(set(each)) for each in grams)

    assert repeats(()) > 0
    assert repeats(("no-repeats",)) == 0


def test_temperature_and_beams_reach_the_search(calvin: Calvin) -> None:
    [usual] = calvin.caption([request()], max_new_tokens=12)
    calvin.decoding = CaptionDecoding(beams=3, temperature=5.0)
    [other] = calvin.caption([request()], max_new_tokens=12)
    assert len(other.candidates) == 3
    assert other.score != pytest.approx(usual.score, abs=0.05)
    details = calvin.info.details
    assert (details["beams"], details["temperature"]) == ("3", "5")
    assert details["decoding"] == "; ".join(RULES.values())


def test_an_adapted_model_is_searched_plainly_too(calvin: Calvin) -> None:
    calvin.decoding = CaptionDecoding(rules=())
    adapted = AdaptedCalvin.over(calvin)
    form = "The characters and entities in the scene are Ann. Hence the final caption is: {}"
    answer = adapted._chosen(request(1, "she waves"), [form.format("she waves"), form.format("she bows")], [-1.0, -2.0])
    assert (answer.text, answer.named, answer.parsed) == ("she waves", ("Ann",), True)


def test_a_search_is_refused_for_what_is_no_calvin(tiny_model: Path) -> None:
    options = OpenOptions(decoding=CaptionDecoding(rules=()))
    assert open_captioner(str(tiny_model), options).decoding.rules == ()  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="has a search of its own"):
        open_captioner("openai:http://127.0.0.1:1/v1#x", options)
