"""The adapted captioner: thought and caption told apart, short captions after the thought, adapters checked by hash."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from calvin.captioners import CaptionRequest
from calvin.captioners.adapted import AdaptedCalvin, open_adapted
from calvin.captioners.calvin import Calvin
from calvin.core.errors import CheckpointError, UsageError
from calvin.core.prompts import Prompt, fewshot_caption
from calvin.core.time import Span
from calvin.core.types import Scene
from calvin.model.tuning import LoraSettings, add_lora, save_adapter


@pytest.fixture(scope="module")
def bundled() -> AdaptedCalvin:
    return AdaptedCalvin.over(Calvin.from_pretrained(), "adapted")


def request_of(context: tuple[str, ...] = ()) -> CaptionRequest:
    return CaptionRequest(Scene("1", "f", Span(0, 1), np.zeros((2, 192), dtype=np.float32)), Prompt(context=context))


def saying(captioner: AdaptedCalvin, monkeypatch: pytest.MonkeyPatch, *texts: str) -> None:
    encode = captioner.processor.tokenizer.encode
    row = [SimpleNamespace(token_ids=encode(f" {text}", add_special_tokens=False), score=-i) for i, text in
           enumerate(texts)]  # fmt: skip
    monkeypatch.setattr(captioner.model, "generate_candidates", lambda **_: [row])


def test_only_the_caption_is_said(bundled: AdaptedCalvin, monkeypatch: pytest.MonkeyPatch) -> None:
    thought = fewshot_caption("Hadi bows to Gilda.", ("Hadi", "Gilda"))
    saying(bundled, monkeypatch, "The characters and the the.", thought, fewshot_caption("Hadi bows.", ("Hadi",)))
    [answer] = bundled.caption([request_of()])
    assert (answer.text, answer.named, answer.parsed) == ("Hadi bows to Gilda.", ("Hadi", "Gilda"), True)
    assert answer.candidates == ("Hadi bows to Gilda.", "Hadi bows.")
    [answer] = bundled.caption([request_of(("Hadi bows to Gilda.",))])
    assert answer.text == "Hadi bows."


def test_an_answer_in_another_form_is_kept(bundled: AdaptedCalvin, monkeypatch: pytest.MonkeyPatch) -> None:
    saying(bundled, monkeypatch, "Hadi bows to Gilda.")
    [answer] = bundled.caption([request_of()])
    assert (answer.text, answer.named, answer.parsed) == ("Hadi bows to Gilda.", (), False)


def test_what_is_to_be_short_is_the_caption_and_not_the_thought(
    bundled: AdaptedCalvin, monkeypatch: pytest.MonkeyPatch
) -> None:
    saying(bundled, monkeypatch, fewshot_caption("Hadi bows to Gilda.", ("Hadi",)))
    inputs = bundled._short_inputs([request_of()])
    assert bundled.processor.captions(inputs["input_ids"])[0].endswith(
        "The characters and entities in the scene are Hadi. Hence the final caption is:"
    )
    assert inputs["attention_mask"].shape == inputs["input_ids"].shape


def test_an_adapter_is_known_by_its_base(tiny_model: Path, tmp_path: Path) -> None:
    base = Calvin.from_pretrained(tiny_model)
    add_lora(base.model, LoraSettings(lora_rank=2))
    save_adapter(base.model, tmp_path / "a", {"base": base.fingerprint, "base_name": "tiny", "context": 2}, half=True)
    fresh = Calvin.from_pretrained(tiny_model)
    adapted = open_adapted(fresh, tmp_path / "a")
    assert (adapted.context, adapted.info.details["adapter"]) == (2, "a")
    assert adapted.fingerprint not in ("", base.fingerprint)
    facts = tmp_path / "a" / "calvin_adapter.json"
    facts.write_text(json.dumps({**json.loads(facts.read_text()), "base": "0" * 64}))
    with pytest.raises(CheckpointError, match=r"adapts tiny .0{12}., but"):
        open_adapted(Calvin.from_pretrained(tiny_model), tmp_path / "a")
    with pytest.raises(CheckpointError, match="is not an adapter folder"):
        open_adapted(Calvin.from_pretrained(tiny_model), tmp_path)
    blind = SimpleNamespace(info=SimpleNamespace(name="server"))
    with pytest.raises(UsageError, match="belongs to a CALVIN"):
        open_adapted(blind, tmp_path / "a")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "answer",
    [
        "Hadi bows. Hence the final caption is",
        "The characters and entities in the scene are Hadi.",
        "Hence the final caption is: The final caption is Hadi.",
        "Hadi bowwws to Gilda.",
        "Hadi brtfgh to Gilda.",
        "Hadi bows waGilda the.",
    ],
)
def test_words_of_the_prompt_and_what_is_no_word_are_never_said(
    bundled: AdaptedCalvin, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    saying(bundled, monkeypatch, answer, fewshot_caption("Hadi bows.", ("Hadi",)))
    [found] = bundled.caption([request_of()])
    assert (found.text, found.candidates) == ("Hadi bows.", ("Hadi bows.",))
    saying(bundled, monkeypatch, answer)
    [found] = bundled.caption([request_of()])
    assert (found.text, found.candidates, found.parsed) == ("", (), False)
